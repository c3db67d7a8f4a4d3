package proxies

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/transport/client"
)

// reader follows a topic, whose messages are the numbers from 1.
type reader struct {
	transport string
	topic     string
	read      func(ctx context.Context, r *reader) error

	started chan struct{} // closed once it follows
	newest  atomic.Int64
	came    time.Time    // when the newest did
	longest atomic.Int64 // ns between two messages
	ended   chan struct{}
	err     error // why it has ended
}

func (r *reader) isEnded() bool { return isClosed(r.ended) }

// take is told each message in the order in which it came.
func (r *reader) take(data []byte) error {
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return err
	}
	before := r.newest.Load()
	if before != 0 && n != before+1 {
		return fmt.Errorf("message %d came after %d", n, before)
	}
	now := time.Now()
	if before != 0 {
		r.longest.Store(max(r.longest.Load(), int64(now.Sub(r.came))))
	}
	r.came = now
	r.newest.Store(n)
	return nil
}

// readers are all, and how often they connect.
type readers struct {
	all      []*reader
	wait     sync.WaitGroup
	attempts attempts
}

// attempts counts by the second.
type attempts struct {
	mu    sync.Mutex
	times map[int64]int
}

func (a *attempts) count() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times[time.Now().Unix()]++
}

func (a *attempts) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times = map[int64]int{}
}

// most returns how many there were in the fullest second.
func (a *attempts) most() (most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.times {
		most = max(most, n)
	}
	return most
}

func newReaders(n, topics int, base string, certificate *certificate) *readers {
	rs := &readers{attempts: attempts{times: map[int64]int{}}}
	kinds := []struct {
		name string
		read func(ctx context.Context, r *reader) error
	}{
		{"WebSocket", rs.byClient(base, client.WebSocket, certificate)},
		{"event stream", rs.byClient(base, client.EventStream, certificate)},
		{"poll", rs.byPoll(base, certificate)},
	}
	for i := range n {
		kind := kinds[i%len(kinds)]
		rs.all = append(rs.all, &reader{
			transport: kind.name, topic: topic(i / len(kinds) % topics), read: kind.read,
			started: make(chan struct{}), ended: make(chan struct{}),
		})
	}
	return rs
}

func topic(i int) string { return fmt.Sprintf("rolling/%d", i) }

// start has them read until the context ends.
func (rs *readers) start(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, r := range rs.all {
		rs.wait.Go(func() {
			defer close(r.ended)
			r.err = r.read(ctx, r)
		})
	}
	for _, r := range rs.all {
		select {
		case <-r.started:
		case <-r.ended:
			t.Fatalf("%s: %v", r.transport, r.err)
		}
	}
}

func httpClient(certificate *certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: certificate.pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
}

func (rs *readers) byClient(base string, transport client.Transport, certificate *certificate) func(context.Context, *reader) error {
	return func(ctx context.Context, r *reader) error {
		requests := httpClient(certificate)
		defer requests.CloseIdleConnections()
		c, err := client.New(base, client.Options{
			Transport: transport, HTTPClient: requests, Logger: slog.New(slog.DiscardHandler),
			Credentials: func(context.Context) (http.Header, error) { rs.attempts.count(); return nil, nil },
		})
		if err != nil {
			return err
		}
		defer c.Close(context.WithoutCancel(ctx))
		s, err := c.Subscribe(r.topic)
		if err != nil {
			return err
		}
		if err := s.Ready(ctx); err != nil {
			return err
		}
		close(r.started)
		for event, err := range s.Events(ctx) {
			switch {
			case err != nil:
				return err
			case event.Message == nil:
				return fmt.Errorf("gap %v: %w", event.Gap, event.Refused)
			}
			if err := r.take(event.Message.Data); err != nil {
				return err
			}
		}
		return errors.New("the events ended")
	}
}

// byPoll is the loop of docs/protocol.md.
func (rs *readers) byPoll(base string, certificate *certificate) func(context.Context, *reader) error {
	return func(ctx context.Context, r *reader) error {
		requests := httpClient(certificate)
		defer requests.CloseIdleConnections()
		for since, wait := "", 0; ; {
			answer, err := poll(ctx, requests, base+"/poll?topic="+r.topic+"&since="+url.QueryEscape(since)+"&wait="+strconv.Itoa(wait))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil { // the proxy's or the instance's; what is lost is asked for again
				rs.attempts.count()
				pause(ctx, 100*time.Millisecond)
				continue
			}
			for _, f := range answer.Frames {
				switch f.Type {
				case "message":
					if err := r.take(f.Data); err != nil {
						return err
					}
				case "reconnect":
				default:
					return fmt.Errorf("the poll has a %s", f.Type)
				}
			}
			if since == "" {
				close(r.started)
			}
			since, wait = answer.Cursor, 25
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d): //clock:real a client waits before it asks again; nothing is measured
	case <-ctx.Done():
	}
}

type answer struct {
	Frames []struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	} `json:"frames"`
	Cursor string `json:"cursor"`
}

func poll(ctx context.Context, requests *http.Client, address string) (a answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return a, err
	}
	response, err := requests.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return a, errors.New(response.Status)
	}
	return a, json.NewDecoder(response.Body).Decode(&a)
}
