package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	r3 "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/sse"
)

// counting tells of the heartbeats that have come to a client.
type counting struct {
	http.RoundTripper
	beats chan struct{}
}

type countedBody struct {
	io.ReadCloser
	beats chan<- struct{}
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = countedBody{response.Body, c.beats}
	}
	return response, err
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if strings.Contains("\n"+string(p[:n]), "\n:\n") {
		select {
		case b.beats <- struct{}{}:
		default: // nobody waits for so many
		}
	}
	return n, err
}

// TestHeartbeatsAreNoEvents to other people's clients, and change none that comes after
// them.
func TestHeartbeatsAreNoEvents(t *testing.T) {
	clients := map[string]func(ctx context.Context, client *http.Client, url string, event func(name, data string)) error{
		"r3labs/sse": func(ctx context.Context, client *http.Client, url string, event func(name, data string)) error {
			c := r3.NewClient(url)
			c.Connection = client
			return c.SubscribeRawWithContext(ctx, func(e *r3.Event) { event(string(e.Event), string(e.Data)) })
		},
		"tmaxmax/go-sse": func(ctx context.Context, client *http.Client, url string, event func(name, data string)) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			c := (&tmaxmax.Client{HTTPClient: client}).NewConnection(r)
			c.SubscribeToAll(func(e tmaxmax.Event) { event(e.Type, e.Data) })
			return c.Connect()
		},
	}
	for name, follow := range clients {
		t.Run(name, func(t *testing.T) {
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Logger: slog.New(slog.DiscardHandler)})
			server := httptest.NewServer(sse.New(hub, sse.Options{Heartbeat: time.Millisecond}))
			defer server.Close()
			defer func() {
				if err := hub.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // ends a broken test
			defer cancel()
			counter := &counting{http.DefaultTransport, make(chan struct{})}
			type event struct{ name, data string }
			events := make(chan event, 100)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = follow(ctx, &http.Client{Transport: counter}, server.URL+"?topic=a", func(name, data string) { events <- event{name, data} })
			}()
			next := func() (e event) {
				select {
				case e = <-events:
				case <-ctx.Done():
					t.Fatal("no event came")
				}
				return e
			}
			if e := next(); e.name != "tidewire.welcome" {
				t.Errorf("got %+v", e)
			}
			for _, text := range []string{"one", "two", "three"} {
				for range 5 {
					select {
					case <-counter.beats:
					case <-ctx.Done():
						t.Fatal("no heartbeat came")
					}
				}
				if _, err := hub.Publish(ctx, push.Message{Topic: "a", Event: "created", Data: []byte(text)}); err != nil {
					t.Fatal(err)
				}
				if e := next(); e.name != "created" || !strings.Contains(e.data, `"data":"`+text+`"`) {
					t.Errorf("got %+v", e)
				}
			}
			cancel()
			<-done
		})
	}
}
