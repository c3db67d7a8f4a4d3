package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
)

func publisher(t *testing.T, url, key string, o PublisherOptions) *Publisher {
	t.Helper()
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Millisecond, 10*time.Millisecond
	}
	p, err := NewPublisher(url, key, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// stored returns what a topic has.
func (i *instance) stored(topic string) []*push.Message {
	i.t.Helper()
	messages, _, err := i.hub.Recent(context.Background(), topic, 100)
	if err != nil {
		i.t.Fatal(err)
	}
	return messages
}

func TestPublish(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	p := publisher(t, i.url(), testKey, PublisherOptions{})
	for n, m := range []push.Message{
		{Topic: "a", Data: []byte("hello ü")},
		{Topic: "a", ID: "order-42", Event: "created", Key: "42 & 1", Data: []byte(`{"px": 1.50}`), Encoding: push.EncodingJSON},
		{Topic: "a", Data: []byte{0, 255}, Encoding: push.EncodingBinary},
		{Topic: "a"},
	} {
		receipt, err := p.Publish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		all := i.stored("a")
		got := all[len(all)-1]
		if len(all) != n+1 || receipt.ID != got.ID || receipt.Position.Epoch != got.Epoch || receipt.Position.Offset != got.Offset || receipt.Duplicate {
			t.Errorf("the receipt is %+v, stored is %+v", receipt, got)
		}
		if got.Topic != m.Topic || m.ID != "" && got.ID != m.ID || got.Event != m.Event || got.Key != m.Key ||
			string(got.Data) != strings.ReplaceAll(string(m.Data), `": `, `":`) || got.Encoding != m.Encoding {
			t.Errorf("stored is %+v, published was %+v", got, m)
		}
	}
	again, err := p.Publish(t.Context(), push.Message{Topic: "a", ID: "order-42", Event: "created", Key: "42 & 1", Data: []byte(`{"px":1.50}`), Encoding: push.EncodingJSON})
	if err != nil || !again.Duplicate || len(i.stored("a")) != 4 {
		t.Errorf("the same again: %+v, %v", again, err)
	}
}

func TestPublishIsRefused(t *testing.T) {
	requests := new(atomic.Int64)
	i := serve(t, "", push.Options{}, counting(requests, "/push/publish"))
	p := publisher(t, i.url(), testKey, PublisherOptions{})
	if _, err := p.Publish(t.Context(), push.Message{Topic: "a", ID: "1", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	requests.Store(0)
	for name, test := range map[string]struct {
		p    *Publisher
		m    push.Message
		want push.Code
		asks int64
	}{
		"other data under an ID": {p, push.Message{Topic: "a", ID: "1", Data: []byte("y")}, push.CodeConflict, 1},
		"too large":              {p, push.Message{Topic: "a", Data: make([]byte, 100<<10)}, push.CodeTooLarge, 1},
		"wrong key":              {publisher(t, i.url(), "wrong", PublisherOptions{}), push.Message{Topic: "a"}, push.CodeUnauthenticated, 1},
		"wrong path":             {publisher(t, i.url()+"/x", testKey, PublisherOptions{}), push.Message{Topic: "a"}, push.CodeBadRequest, 0},
		"nothing there":          {publisher(t, i.server.URL, testKey, PublisherOptions{}), push.Message{Topic: "a"}, push.CodeUnavailable, 0},
		"no topic":               {p, push.Message{}, push.CodeBadRequest, 0},
		"not text":               {p, push.Message{Topic: "a", Data: []byte{255}}, push.CodeBadRequest, 0},
		"a header":               {p, push.Message{Topic: "a", Header: map[string]string{"a": "b"}}, push.CodeBadRequest, 0},
		"a replica":              {p, push.Message{Topic: "a", Replicated: true}, push.CodeBadRequest, 0},
	} {
		_, err := test.p.Publish(t.Context(), test.m)
		if !errors.Is(err, test.want) || requests.Swap(0) != test.asks {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewPublisher("x", "y"); err == nil {
		t.Error("x is the URL of a server")
	}
}

// TestPublishIsRepeatedAndStoredOnce has a proxy that hands requests on, and loses the
// answers in several ways before it lets one through.
func TestPublishIsRepeatedAndStoredOnce(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	drop := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	var mu sync.Mutex
	n := 0
	var ids []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		ids = append(ids, r.URL.Query().Get("id"))
		answer := httptest.NewRecorder()
		i.server.Config.Handler.ServeHTTP(answer, r)
		switch n {
		case 1:
			drop(w)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(answer.Body.Bytes()) // and no more
			drop(w)
		case 4:
			w.WriteHeader(http.StatusTooManyRequests)
		case 5:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		}
	}))
	defer proxy.Close()
	p := publisher(t, proxy.URL+"/push", testKey, PublisherOptions{Timeout: time.Minute, AttemptTimeout: time.Minute})
	for _, id := range []string{"", "mine"} {
		n, ids = 0, nil
		topic := "t" + id
		receipt, err := p.Publish(t.Context(), push.Message{Topic: topic, ID: id, Data: []byte("once")})
		if err != nil {
			t.Fatal(err)
		}
		all := i.stored(topic)
		if len(all) != 1 || receipt.ID != all[0].ID || receipt.Position.Offset != 1 || n != 6 {
			t.Errorf("after %d requests %d messages are stored; the receipt is %+v", n, len(all), receipt)
		}
		if receipt.Duplicate != (id != "") { // of its own ID it knows that nobody else has it
			t.Errorf("the receipt is %+v", receipt)
		}
		if len(slices.Compact(ids)) != 1 || id != "" && ids[0] != id {
			t.Errorf("the IDs are %q", ids)
		}
	}
}

// TestPublishDoesntDenyWhatMayBeStored: a refusal of the second request says nothing about
// the first.
func TestPublishDoesntDenyWhatMayBeStored(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		fmt.Fprint(w, `{"code":"too_large","reason":"a limit that is new","retry":"never"}`)
	}))
	defer server.Close()
	_, err := publisher(t, server.URL, testKey, PublisherOptions{}).Publish(t.Context(), push.Message{Topic: "a"})
	if !errors.Is(err, push.CodeUnavailable) || errors.Is(err, push.CodeTooLarge) || n != 2 {
		t.Errorf("after %d requests: %v", n, err)
	}
}

func TestPublishEnds(t *testing.T) {
	// Nobody answers.
	scripted(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, s *script) {
		p := publisher(t, s.url, testKey, PublisherOptions{HTTPClient: s.http})
		began := time.Now()
		_, err := p.Publish(t.Context(), push.Message{Topic: "a"})
		if !errors.Is(err, push.CodeTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second || len(s.requests()) != 2 {
			t.Errorf("after %v and %d requests: %v", time.Since(began), len(s.requests()), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errTest) })
		if _, err := p.Publish(ctx, push.Message{Topic: "a"}); !errors.Is(err, push.CodeTimeout) || !errors.Is(err, errTest) {
			t.Errorf("a context that ends: %v", err)
		}
	})
	// The server wants more time than there is.
	scripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"code":"unavailable","reason":"no broker","retry":"later"}`)
	}, func(t *testing.T, s *script) {
		p := publisher(t, s.url, testKey, PublisherOptions{HTTPClient: s.http})
		began := time.Now()
		_, err := p.Publish(t.Context(), push.Message{Topic: "a"})
		if !errors.Is(err, push.CodeUnavailable) || time.Since(began) != 0 || len(s.requests()) != 1 {
			t.Errorf("after %v and %d requests: %v", time.Since(began), len(s.requests()), err)
		}
	})
}

// TestPublishKeepsNoData has data that changes as soon as Publish has returned.
func TestPublishKeepsNoData(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict) // without reading the body
	}))
	defer server.Close()
	p := publisher(t, server.URL, testKey, PublisherOptions{})
	data := make([]byte, 4<<20)
	for range 5 {
		_, _ = p.Publish(t.Context(), push.Message{Topic: "a", Data: data, Encoding: push.EncodingBinary})
		for k := 0; k < len(data); k += 1 << 10 { // the race detector tells
			data[k]++
		}
	}
}

func TestPublishersAreManyAtOnce(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	p := publisher(t, i.url(), testKey, PublisherOptions{Timeout: time.Minute})
	var work sync.WaitGroup
	for k := range 20 {
		work.Go(func() {
			if _, err := p.Publish(t.Context(), push.Message{Topic: "a", Data: []byte(url.QueryEscape(fmt.Sprint(k)))}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if n := len(i.stored("a")); n != 20 {
		t.Errorf("%d are stored", n)
	}
}
