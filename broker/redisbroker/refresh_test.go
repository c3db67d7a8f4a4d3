package redisbroker_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// TestRefreshThroughAnyInstance has clients whose identities expire soon. Those that are
// refreshed, on their own instance or through another, live on, and get all messages;
// the others end.
func TestRefreshThroughAnyInstance(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	o := redisbroker.Options{Prefix: prefix()}
	var instances []*instance
	for range 2 {
		instances = append(instances, newInstance(t, redisbroker.New(server.client(), o), push.Options{
			Identify: func(r *http.Request) (push.Identity, error) {
				left := time.Duration(0) // the grace is left
				if r.Header.Get("Fresh") != "" {
					left = time.Hour
				}
				return push.Identity{
					User: strings.Split(r.URL.Path, "/")[1], Expires: time.Now().Add(left), Claims: map[string]any{"fresh": left > 0},
				}, nil
			},
		}, transport.Options{}))
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()

			here := instances[0]
			open := func() (*transporttest.Client, string) {
				c, welcome, err := tryConnect(t, way.dial, here.url("ann", way.path), []string{way.name}, "")
				if err != nil {
					t.Fatal(err)
				}
				return c, welcome.Session
			}
			refresh := func(in *instance, user, session string) (status int, expires int) {
				var answer struct{ Expires int }
				status = post(t, in.url(user, "refresh?session="+session), map[string]string{"Fresh": "yes"}, &answer)
				return status, answer.Expires
			}
			var lives, ends []*transporttest.Client
			for i, want := range []int{http.StatusOK, http.StatusAccepted} {
				c, session := open()
				if status, expires := refresh(instances[i], "ann", session); status != want || expires < 1800 || expires > 3600 {
					t.Errorf("through instance %d: %d, expires in %d s", i, status, expires)
				}
				lives = append(lives, c)
				c, session = open()
				if status, _ := refresh(instances[i], "eve", session); status != []int{http.StatusForbidden, http.StatusAccepted}[i] {
					t.Errorf("by another user, through instance %d: %d", i, status)
				}
				ends = append(ends, c)
			}
			last, _ := open()
			publish(t, here.hub, way.name, "1")
			for _, c := range append(ends, last) {
				wantEnd(t, "one that wasn't refreshed", c, "error", "unauthenticated")
			}
			publish(t, here.hub, way.name, "2")
			for i, c := range lives {
				for _, want := range []string{"1", "2"} {
					if f, err := c.Next(); err != nil || string(f.Data) != want {
						t.Errorf("refreshed through instance %d: got %+v, %v", i, f, err)
					}
				}
			}
		})
	}
}

// TestRefreshTellsNobodyOfSessions has requests about sessions that don't exist.
func TestRefreshTellsNobodyOfSessions(t *testing.T) {
	server := startRedis(t)
	in := newInstance(t, redisbroker.New(server.client(), redisbroker.Options{Prefix: prefix()}), push.Options{}, transport.Options{})
	for query, want := range map[string]int{
		"?session=0192f0c1-2345-7abc-8def-0123456789ab": http.StatusAccepted,
		"?session=x": http.StatusBadRequest,
		"?session=":  http.StatusBadRequest,
		"":           http.StatusBadRequest,
		"?session=0192f0c1-2345-7abc-8def-0123456789ab&session=0192f0c1-2345-7abc-8def-0123456789ab": http.StatusBadRequest,
	} {
		var answer any
		if status := post(t, in.url("ann", "refresh"+query), nil, &answer); status != want {
			t.Errorf("%q: %d, want %d", query, status, want)
		}
	}
}
