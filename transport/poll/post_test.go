package poll_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/poll"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// post makes a POST to a hub without a server.
func post(t *testing.T, hub *push.Hub, query, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/push/poll?"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	poll.New(hub).ServeHTTP(w, r)
	return w
}

const form = "application/x-www-form-urlencoded"

// TestPosts are answered as GETs are, or refused with a reason.
func TestPosts(t *testing.T) {
	hub := newHub(t)
	for _, tt := range []struct {
		query, kind, body string
		status            int
		reason            string
	}{
		{"", form, "topic=a&wait=0", 200, `"frames":[]`},
		{"mine=1", form, "topic=a&state=&wait=0&recent=5&v=1&since=&since=", 200, `"topics":[{"topic":"a","from":"recent",`},
		{"", form, "", 400, "no topic is named"},
		{"", form, "wait=0", 400, "no topic is named"},
		{"", form, "topic=a&format=raw", 400, "a poll has no format"},
		{"", form, "topic=a&wait=x", 400, "wait is a whole number"},
		{"", form, "topic=a&ticket=x", 400, "unknown parameter"},
		{"wait=0", form, "topic=a", 400, "wait in its body"},
		{"", form, "topic=&topic=b*", 400, "1 to 200 bytes"},
		{"", form, "topic=a&since=" + strings.Repeat("x", 64<<10), 413, "65536"},
		{"", "text/plain", "topic=a", 415, "form"},
	} {
		w := post(t, hub, tt.query, tt.kind, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.reason) {
			t.Errorf("%.60q: %d %s; want %d with %q", tt.body, w.Code, w.Body, tt.status, tt.reason)
		}
	}
}

// TestThousandTopicsByPost: a server may allow that many, and the answer's cursor has them all.
func TestThousandTopicsByPost(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{
		Authorize: push.Anyone, MaxTopics: 1000, Limits: push.Limits{Topics: push.Rate{PerSecond: -1}},
	})
	defer func() {
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	body := url.Values{"wait": {"0"}}
	for i := range 1000 {
		body.Add("topic", fmt.Sprint(i))
	}
	ask := func() (answer transporttest.PollAnswer) {
		w := post(t, hub, "", form, body.Encode())
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %.200s, %v", w.Code, w.Body, err)
		}
		return answer
	}
	first := ask()
	if n := strings.Count(first.Cursor, cursor.Separator) + 1; n != 1000 {
		t.Fatalf("the cursor has %d topics", n)
	}
	for _, topic := range []string{"0", "999"} {
		if _, err := hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(topic)}); err != nil {
			t.Fatal(err)
		}
	}
	body.Set("since", first.Cursor)
	if second := ask(); len(second.Frames) != 2 || second.Frames[0].Data != "0" || second.Frames[1].Data != "999" {
		t.Errorf("then came %+v", second.Frames)
	}
}
