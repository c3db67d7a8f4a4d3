package redisbroker_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

// post makes a request of an instance, and reads its answer.
func post(t *testing.T, address string, headers map[string]string, answer any) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// TestTicketOpensOneConnectionOnAnyInstance gets a ticket on one instance and uses it
// on both at once: it opens one connection, as who got it.
func TestTicketOpensOneConnectionOnAnyInstance(t *testing.T) {
	server := startRedis(t)
	o := redisbroker.Options{Prefix: prefix()}
	var instances []*instance
	for range 2 {
		instances = append(instances, newInstance(t, redisbroker.New(server.client(), o), push.Options{
			Authorize: func(_ context.Context, a push.Access) error {
				if a.Topic != "users/"+a.Identity.User {
					return push.CodeForbidden
				}
				return nil
			},
		}, transport.Options{Tickets: true}))
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			for issuer := range 6 {
				var answer struct{ Ticket string }
				if status := post(t, instances[issuer%2].url("ann", "ticket"), nil, &answer); status != http.StatusOK {
					t.Fatalf("status %d", status)
				}
				var opened, refused atomic.Int32
				var wait sync.WaitGroup
				for i := range 6 {
					wait.Go(func() {
						ctx, cancel := context.WithTimeout(context.Background(), patience)
						defer cancel()
						address := instances[i%2].url("nobody", way.path) + "?ticket=" + answer.Ticket
						c, err := way.dial(ctx, address, []string{"users/ann"}, "")
						if err != nil {
							refused.Add(1)
							return
						}
						defer c.Close()
						if f, err := c.Next(); err == nil && f.Type == protocol.TypeWelcome && f.Topics[0].Error == nil {
							opened.Add(1)
						} else if f.Code == string(push.CodeUnauthenticated) {
							refused.Add(1)
						}
					})
				}
				wait.Wait()
				if opened.Load() != 1 || refused.Load() != 5 {
					t.Errorf("%d connections were opened, %d refused", opened.Load(), refused.Load())
				}
			}
		})
	}
	client := server.client()
	testaid.Eventually(t, "the end of used tickets", func() bool {
		return len(client.Keys(t.Context(), o.Prefix+"*tickets*").Val()) == 0
	})
}
