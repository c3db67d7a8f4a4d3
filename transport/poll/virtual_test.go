package poll_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/poll"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// pipes is a listener in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, conn := net.Pipe()
	p <- conn
	return client, nil
}

// site is a hub and its polls, served in memory.
type site struct {
	t         *testing.T
	hub       *push.Hub
	server    *http.Server
	transport *http.Transport
	byPost    bool
	wrap      func(http.Handler) http.Handler
	start     func() // the server, once
}

// inVirtualTime runs a test over HTTP/1 and HTTP/2, of polls by GET and by POST. It may set server and wrap before the
// first request.
func inVirtualTime(t *testing.T, options push.Options, test func(s *site), brokers ...membroker.Options) {
	t.Helper()
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	for i := range 4 {
		http2, method := i > 1, []string{http.MethodGet, http.MethodPost}[i%2]
		var protocols http.Protocols
		protocols.SetHTTP1(!http2)
		protocols.SetUnencryptedHTTP2(http2)
		t.Run(method+" "+protocols.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{t: t, byPost: method == http.MethodPost, hub: push.New(membroker.New(brokers...), options)}
				conns := make(pipes)
				handler := http.Handler(poll.New(s.hub))
				s.server = &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if s.wrap != nil {
						s.wrap(handler).ServeHTTP(w, r)
						return
					}
					handler.ServeHTTP(w, r)
				})}
				s.transport = &http.Transport{DialContext: conns.dial, Protocols: &protocols}
				s.start = sync.OnceFunc(func() {
					go func() { _ = s.server.Serve(conns) }() // ends with Shutdown
				})
				defer s.end()
				test(s)
			})
		})
	}
}

func (s *site) end() {
	if err := s.hub.Shutdown(s.t.Context()); err != nil {
		s.t.Errorf("Shutdown: %v", err)
	}
	if n := s.hub.Stats().Memory; n != 0 {
		s.t.Errorf("%d bytes are counted for nobody", n)
	}
	s.transport.CloseIdleConnections()
	if err := s.server.Shutdown(s.t.Context()); err != nil {
		s.t.Errorf("Shutdown of the server: %v", err)
	}
}

// polled is what became of a poll.
type polled struct {
	transporttest.PollAnswer
	status int
	header http.Header
	err    error
	after  time.Duration
}

// data joins what the answer brings: the data of messages, and the types of other frames.
func (p polled) data() string {
	var all []string
	for _, f := range p.Frames {
		if f.Type == "message" {
			all = append(all, f.Topic+string(f.Data))
		} else {
			all = append(all, f.Type)
		}
	}
	return strings.Join(all, " ")
}

// poll makes one request.
func (s *site) poll(query, since string) polled {
	return s.pollWithin(s.t.Context(), query, since)
}

func (s *site) pollWithin(ctx context.Context, query, since string) (p polled) {
	s.start()
	began := time.Now()
	if since != "" {
		query += "&since=" + url.QueryEscape(since)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/?"+query, nil)
	if s.byPost {
		r, err = http.NewRequestWithContext(ctx, http.MethodPost, "http://x/", strings.NewReader(query))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		s.t.Error(err)
		return p
	}
	response, err := s.transport.RoundTrip(r)
	if err != nil {
		return polled{err: err, after: time.Since(began)} //clock:virtual
	}
	defer response.Body.Close()
	p.PollAnswer, p.err = transporttest.ReadPoll(response)
	p.status, p.header, p.after = response.StatusCode, response.Header, time.Since(began) //clock:virtual
	_, _ = io.Copy(io.Discard, response.Body)                                             // it was read
	return p
}

// begin polls in the background, and returns when the poll waits.
func (s *site) begin(query, since string) <-chan polled {
	return s.beginWithin(s.t.Context(), query, since)
}

func (s *site) beginWithin(ctx context.Context, query, since string) <-chan polled {
	done := make(chan polled, 1)
	go func() { done <- s.pollWithin(ctx, query, since) }()
	synctest.Wait()
	return done
}

func (s *site) publish(topic, data string) {
	s.t.Helper()
	if _, err := s.hub.Publish(s.t.Context(), push.Message{Topic: topic, Data: []byte(data)}); err != nil {
		s.t.Fatal(err)
	}
}

// want fails unless a poll is answered with these data.
func (s *site) want(p polled, data string) {
	s.t.Helper()
	if p.err != nil || p.data() != data || p.Cursor == "" {
		s.t.Fatalf("answered with %q, %v, %+v; want %q", p.data(), p.err, p, data)
	}
}
