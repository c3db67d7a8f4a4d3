package poll_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/poll"
)

// ask makes a request of a hub without a server.
func ask(t *testing.T, hub *push.Hub, method, query, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/push/poll?"+query, strings.NewReader(body))
	w := httptest.NewRecorder()
	poll.New(hub).ServeHTTP(w, r)
	return w
}

func newHub(t *testing.T) *push.Hub {
	t.Helper()
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return hub
}

// TestMalformedRequests are refused at once, with a reason.
func TestMalformedRequests(t *testing.T) {
	hub := newHub(t)
	for _, tt := range []struct {
		method, query, body string
		status              int
		reason              string
	}{
		{"GET", "", "", 400, "no topic"},
		{"GET", "topic=", "", 400, "1 to 200 bytes"},
		{"GET", "topic=a&topic=a", "", 400, "twice"},
		{"GET", "topic=a&wait=abc", "", 400, "wait is a whole number"},
		{"GET", "topic=a&wait=-1", "", 400, "wait is a whole number"},
		{"GET", "topic=a&wait=1.5", "", 400, "wait is a whole number"},
		{"GET", "topic=a&wait=", "", 400, "wait is a whole number"},
		{"GET", "topic=a&wait=1&wait=1", "", 400, "given once"},
		{"GET", "topic=a&wait=9007199254740992", "", 400, "wait is a whole number"},
		{"GET", "topic=a&wait=" + strings.Repeat("9", 1000), "", 400, "wait is a whole number"},
		{"GET", "topic=a&recent=x&wait=0", "", 400, "recent is a whole number"},
		{"GET", "topic=a&since=" + strings.Repeat("x", 4097), "", 400, "4096"},
		{"GET", "topic=a&v=2", "", 400, "version 1"},
		{"GET", "topic=a&format=raw", "", 400, "format"},
		{"GET", "topic=a&x=%zz", "", 400, "malformed"},
		{"GET", "topic=a&x=" + strings.Repeat("x", 50_000), "", 400, "too long"},
		{"GET", "topic=a&wait=0", "body", 400, "no body"},
		{"HEAD", "topic=a&wait=0", "", 405, "GET or POST"},
		{"PUT", "topic=a&wait=0", "", 405, "GET or POST"},
		{"OPTIONS", "topic=a&wait=0", "", 405, "GET or POST"},
		{"GET", "topic=a&wait=0&v=1&mine=2", "", 200, ""},
		{"GET", "topic=a&wait=00", "", 200, ""},
	} {
		w := ask(t, hub, tt.method, tt.query, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.reason) {
			t.Errorf("%s %.60q: %d %s; want %d with %q", tt.method, tt.query, w.Code, w.Body, tt.status, tt.reason)
		}
		if w.Code == http.StatusMethodNotAllowed && !slices.Equal(w.Header()["Allow"], []string{"GET", "POST"}) {
			t.Errorf("%s: Allow is %q", tt.method, w.Header()["Allow"])
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store, no-transform" {
			t.Errorf("%s %.60q: Cache-Control is %q", tt.method, tt.query, got)
		}
	}
}

// TestAnswer is an answer byte for byte, by a server that has nothing but a response.
func TestAnswer(t *testing.T) {
	hub := newHub(t)
	since, err := hub.Cursor(t.Context(), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte(`{"cursor":"no"}`), Encoding: push.EncodingJSON}); err != nil {
		t.Fatal(err)
	}
	w := ask(t, hub, http.MethodGet, "topic=a&topic=b&since="+since, "")
	var answer struct {
		Frames []struct{ At string }
		Cursor string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Frames) != 1 {
		t.Fatalf("%s: %v", w.Body, err)
	}
	a, b, _ := strings.Cut(since, ".")
	_, now, _ := strings.Cut(answer.Cursor, ".")
	want := fmt.Sprintf(`{"topics":[{"topic":"a","from":"cursor","cursor":"%s"},{"topic":"b","from":"cursor","cursor":"%s"}],`+
		`"frames":[{"type":"message","topic":"a","at":"%s","data":{"cursor":"no"}}],"cursor":"%s"}`,
		a, now, answer.Frames[0].At, a[:21]+answer.Frames[0].At+"."+now)
	if w.Body.String() != want || now[:20] != b[:20] {
		t.Errorf("got  %s\nwant %s", w.Body, want)
	}
	if w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", w.Header())
	}
}

// TestPublishIsRefused: what has no position can't be told to a client that polls.
func TestPublishIsRefused(t *testing.T) {
	_, err := poll.New(newHub(t)).Publish(t.Context(), push.Message{Topic: "a"})
	if !errors.Is(err, push.CodeUnsupported) {
		t.Errorf("got %v", err)
	}
}

// TestRefusedForNow: a topic that is refused for now keeps its place in the cursor.
func TestRefusedForNow(t *testing.T) {
	busy := true
	options := push.Options{Authorize: func(_ context.Context, a push.Access) error {
		if a.Topic == "b" && busy {
			return push.CodeUnavailable
		}
		return nil
	}}
	inVirtualTime(t, options, func(s *site) {
		busy = false
		since := s.poll("topic=a&topic=b&wait=0", "").Cursor
		s.publish("a", "1")
		s.publish("b", "2")
		busy = true
		p := s.poll("topic=a&topic=b", since)
		s.want(p, "a1")
		if e := p.Topics[1].Error; e == nil || e.Code != string(push.CodeUnavailable) {
			s.t.Errorf("answered with %+v", p.Topics)
		}
		busy = false
		s.want(s.poll("topic=a&topic=b", p.Cursor), "b2")
	})
}

// TestBusyTopicsArePolledFreely: a user who follows fifty topics and gets ten answers a second
// meets none of the default limits.
func TestBusyTopicsArePolledFreely(t *testing.T) {
	inVirtualTime(t, push.Options{Identify: known(time.Hour)}, func(s *site) {
		query := url.Values{}
		for i := range 50 {
			query.Add("topic", fmt.Sprint("topic ", i))
		}
		since := s.poll(query.Encode()+"&wait=0", "").Cursor
		for round := range 400 { // forty seconds
			waiting := s.begin(query.Encode(), since)
			time.Sleep(90 * time.Millisecond) //clock:virtual
			s.publish(fmt.Sprint("topic ", round%50), "waited for")
			first := <-waiting
			for _, topic := range first.Topics {
				if topic.Error != nil {
					s.t.Fatalf("round %d: %+v", round, topic)
				}
			}
			s.publish(fmt.Sprint("topic ", round%50), "in between")
			time.Sleep(10 * time.Millisecond) //clock:virtual
			since = first.Cursor
		}
	})
}

// TestOpensAreOfNewClients: clients that go on polling don't count, and whoever comes new does.
func TestOpensAreOfNewClients(t *testing.T) {
	options := push.Options{Limits: push.Limits{Opens: push.Rate{PerSecond: 0.001, Burst: 2}}}
	inVirtualTime(t, options, func(s *site) {
		since := s.poll("topic=a&wait=0", "").Cursor
		s.want(s.poll("topic=a&wait=0", ""), "")
		s.failed(s.poll("topic=a&wait=0", ""), push.CodeUnavailable)
		for range 100 {
			one, other := s.begin("topic=a&wait=5", since), s.begin("topic=a&wait=3", since)
			s.failed(s.poll("topic=a&wait=0", since), push.CodeUnavailable) // nobody else was here
			s.want(<-one, "")
			s.want(<-other, "")
		}
		time.Sleep(20 * time.Second) //clock:virtual
		synctest.Wait()
		s.failed(s.poll("topic=a&wait=0", since), push.CodeUnavailable) // long gone
	})
}
