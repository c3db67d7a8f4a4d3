package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/push"
)

func TestPublishAll(t *testing.T) {
	requests := new(atomic.Int64)
	i := serve(t, "", push.Options{}, counting(requests, "/push/publish"))
	p := publisher(t, i.url(), testKey, PublisherOptions{})
	for _, n := range []int{0, 1, 2, 100, 101, 250} {
		requests.Store(0)
		topics := make([]string, n)
		for k := range topics {
			topics[k] = fmt.Sprintf("t%d/ä %d", n, k)
		}
		all := p.PublishAll(t.Context(), push.Message{Topic: "ignored", Event: "e", Key: "k", Data: []byte("x & y")}, topics...)
		if len(all) != n || requests.Load() != int64(n+99)/100 {
			t.Errorf("%d topics: %d results of %d requests", n, len(all), requests.Load())
		}
		for k, one := range all {
			stored := i.stored(topics[k])
			if one.Topic != topics[k] || one.Err != nil || len(stored) != 1 || one.Receipt.Duplicate || one.Receipt.ID != stored[0].ID ||
				one.Receipt.Position.Offset != 1 || stored[0].Event != "e" || stored[0].Key != "k" || string(stored[0].Data) != "x & y" {
				t.Fatalf("%s: %+v, stored is %+v", topics[k], one, stored)
			}
		}
	}
}

func TestPublishAllRefusesTopicByTopic(t *testing.T) {
	requests := new(atomic.Int64)
	i := serve(t, "", push.Options{}, counting(requests, "/push/publish"))
	p := publisher(t, i.url(), testKey, PublisherOptions{})
	if _, err := p.Publish(t.Context(), push.Message{Topic: "a", ID: "1", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	all := p.PublishAll(t.Context(), push.Message{ID: "1", Data: []byte("y")}, "b", "a", "x\ny", "b", "tidewire.x")
	want := []error{nil, push.CodeConflict, push.CodeBadRequest, nil, push.CodeBadRequest}
	for k, one := range all {
		if !errors.Is(one.Err, want[k]) {
			t.Errorf("%s: %+v", one.Topic, one)
		}
	}
	if all[0] != all[3] || len(i.stored("b")) != 1 {
		t.Errorf("a topic that is named again: %+v", all)
	}
	if again := p.PublishAll(t.Context(), push.Message{ID: "1", Data: []byte("y")}, "b", "c"); !again[0].Receipt.Duplicate || again[1].Receipt.Duplicate {
		t.Errorf("again: %+v", again)
	}
	requests.Store(0)
	for name, test := range map[string]struct {
		p    *Publisher
		m    push.Message
		n    int
		want push.Code
		asks int64
	}{
		"not text":     {p, push.Message{Data: []byte{255}}, 2, push.CodeBadRequest, 0},
		"a header":     {p, push.Message{Header: map[string]string{"a": "b"}}, 2, push.CodeBadRequest, 0},
		"a replica":    {p, push.Message{Replicated: true}, 2, push.CodeBadRequest, 0},
		"1,001 topics": {p, push.Message{}, 1001, push.CodeBadRequest, 0},
		"too large":    {p, push.Message{Data: make([]byte, 100<<10)}, 2, push.CodeTooLarge, 1},
		"wrong key":    {publisher(t, i.url(), "wrong", PublisherOptions{}), push.Message{}, 2, push.CodeUnauthenticated, 1},
	} {
		topics := make([]string, test.n)
		for k := range topics {
			topics[k] = fmt.Sprint("t", k)
		}
		all := test.p.PublishAll(t.Context(), test.m, topics...)
		if len(all) != test.n || requests.Swap(0) != test.asks {
			t.Errorf("%s: %d results", name, len(all))
		}
		for _, one := range all {
			if !errors.Is(one.Err, test.want) {
				t.Errorf("%s: %+v", name, one)
			}
		}
	}
}

// TestPublishAllRepeatsWhatIsLeft has a proxy that loses the first answer, and then refuses
// some topics for now: only those are tried again, under the same ID, and stored once.
func TestPublishAllRepeatsWhatIsLeft(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	var mu sync.Mutex
	var asked [][]string
	var ids []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		query := r.URL.Query()
		asked, ids = append(asked, query["topic"]), append(ids, query.Get("id"))
		answer := httptest.NewRecorder()
		i.server.Config.Handler.ServeHTTP(answer, r)
		switch len(asked) {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2, 3: // all but the first are refused for now, and the last for good
			var body struct {
				Results []map[string]any `json:"results"`
			}
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
				panic(err)
			}
			for k := 1; k < len(body.Results); k++ {
				code, retry := "rate_limited", "later"
				if k == 3 {
					code, retry = "too_large", "never"
				}
				body.Results[k] = map[string]any{"topic": body.Results[k]["topic"], "error": map[string]any{"code": code, "reason": "", "retry": retry}}
			}
			_ = json.NewEncoder(w).Encode(body)
		default:
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		}
	}))
	defer proxy.Close()
	p := publisher(t, proxy.URL+"/push", testKey, PublisherOptions{})
	all := p.PublishAll(patience(t), push.Message{Data: []byte("once")}, "a", "b", "c", "d")
	want := [][]string{{"a", "b", "c", "d"}, {"a", "b", "c", "d"}, {"b", "c"}, {"c"}}
	if !slices.EqualFunc(asked, want, slices.Equal) || len(slices.Compact(ids)) != 1 {
		t.Errorf("asked for %q under %q", asked, ids)
	}
	for k, one := range all {
		if k == 3 { // an attempt before may have stored it
			if !errors.Is(one.Err, push.CodeUnavailable) || errors.Is(one.Err, push.CodeTooLarge) {
				t.Errorf("%+v", one)
			}
		} else if one.Err != nil || one.Receipt.Duplicate || len(i.stored(one.Topic)) != 1 {
			t.Errorf("%+v", one)
		}
	}
}

// TestPublishAllNamesTheErrorOfEachTopic has a server that never takes one of two topics,
// and asks for more time than there is.
func TestPublishAllNamesTheErrorOfEachTopic(t *testing.T) {
	answer := func(topics ...string) string {
		return `{"results":[` + strings.Join(topics, ",") + `]}`
	}
	refusal := func(topic string, code push.Code, after int) string {
		return fmt.Sprintf(`{"topic":%q,"error":{"code":%q,"reason":"","retry":"later","after":%d}}`, topic, code, after)
	}
	scripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answer(refusal("a", push.CodeRateLimited, 60000), refusal("b", push.CodeUnavailable, 0)))
	}, func(t *testing.T, s *script) {
		all := publisher(t, s.url, testKey, PublisherOptions{HTTPClient: s.http}).PublishAll(t.Context(), push.Message{}, "a", "b")
		if !errors.Is(all[0].Err, push.CodeRateLimited) || !errors.Is(all[1].Err, push.CodeUnavailable) || len(s.requests()) != 1 {
			t.Errorf("after %d requests: %+v", len(s.requests()), all)
		}
	})
	// Answers about other topics than those that were asked about say nothing.
	for _, body := range []string{answer(refusal("b", push.CodeForbidden, 0)), answer(), `{"id":"x","epoch":"0000000000000001","offset":1}`, "hello"} {
		scripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }, func(t *testing.T, s *script) {
			for _, one := range publisher(t, s.url, testKey, PublisherOptions{HTTPClient: s.http}).PublishAll(t.Context(), push.Message{}, "a", "b") {
				if !errors.Is(one.Err, push.CodeUnavailable) {
					t.Errorf("%s: %+v", body, one)
				}
			}
		})
	}
	// Nobody answers.
	scripted(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, s *script) {
		for _, one := range publisher(t, s.url, testKey, PublisherOptions{HTTPClient: s.http}).PublishAll(t.Context(), push.Message{}, "a", "b") {
			if !errors.Is(one.Err, push.CodeTimeout) {
				t.Errorf("%+v", one)
			}
		}
	})
}

func TestPublishJSON(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	p := publisher(t, i.url(), testKey, PublisherOptions{})
	receipt, err := p.PublishJSON(t.Context(), "a", map[string]any{"px": 1.5})
	stored := i.stored("a")
	if err != nil || len(stored) != 1 || receipt.ID != stored[0].ID || string(stored[0].Data) != `{"px":1.5}` || stored[0].Encoding != push.EncodingJSON {
		t.Errorf("%+v, %v; stored is %+v", receipt, err, stored)
	}
	if _, err := p.PublishJSON(t.Context(), "a", func() {}); !errors.Is(err, push.CodeBadRequest) || !errors.As(err, new(*json.UnsupportedTypeError)) {
		t.Errorf("a function: %v", err)
	}
}
