package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// send posts as the page does where there is no WebSocket, and returns the offset
// that the receipt names.
func send(t *testing.T, s *servetest.Server, id, name, text string) uint64 {
	t.Helper()
	data, err := json.Marshal(post{name, text})
	if err != nil {
		t.Fatal(err)
	}
	status, body := s.Do(t, http.MethodPost, "/push/send?topic=chat/lobby&id="+id, string(data))
	var answer struct {
		Data struct {
			ID     string
			Offset uint64
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Data.ID != id {
		t.Fatalf("send: %d %s", status, body)
	}
	return answer.Data.Offset
}

func TestAPostReachesTheRoom(t *testing.T) {
	s := servetest.Start(t, run)
	room := s.Follow(t, "chat/lobby", "")
	send(t, s, "one", " Mira ", "<b>hello</b>\nthere ")
	frame, _ := room.Next(t)
	var got post
	if err := json.Unmarshal(frame.Data, &got); err != nil {
		t.Fatal(err)
	}
	if want := (post{"Mira", "<b>hello</b>\nthere"}); frame.ID != "one" || got != want {
		t.Errorf("got %+v of %+v, want %+v", got, frame, want)
	}
}

func TestARoomBeginsWithItsLastPosts(t *testing.T) {
	s := servetest.Start(t, run)
	for i := range 12 {
		send(t, s, fmt.Sprint("before-", i), "Mira", "hello")
	}
	room := s.Follow(t, "chat/lobby", "", 10)
	send(t, s, "after", "Mira", "hello")
	for i := range 10 {
		if frame, _ := room.Next(t); frame.ID != fmt.Sprint("before-", 2+i) || frame.Time == 0 {
			t.Errorf("got %+v, want the post %d", frame, 2+i)
		}
	}
	if frame, _ := room.Next(t); frame.ID != "after" {
		t.Errorf("got %+v", frame)
	}
}

func TestARetryIsStoredOnce(t *testing.T) {
	s := servetest.Start(t, run)
	first := send(t, s, "one", "Mira", "hello")
	if again := send(t, s, "one", "Mira", "hello"); again != first {
		t.Errorf("stored at %d and at %d", first, again)
	}
}

func TestOnlyRoomsAreTopics(t *testing.T) {
	s := servetest.Start(t, run)
	for _, topic := range []string{"lobby", "chat/", "chat/Lobby", "chat/a/b", "chat/-a", "chat/" + strings.Repeat("a", 31)} {
		status, _ := s.Do(t, http.MethodGet, "/push/sse?topic="+topic, "")
		if status != http.StatusForbidden {
			t.Errorf("follow %q: %d", topic, status)
		}
		status, _ = s.Do(t, http.MethodPost, "/push/send?topic="+topic, `{"name":"a","text":"b"}`)
		if status != http.StatusForbidden {
			t.Errorf("send to %q: %d", topic, status)
		}
	}
}

func TestReadPost(t *testing.T) {
	long := strings.Repeat("ß", maxText)
	for name, c := range map[string]struct {
		in   push.Inbound
		want string // "" is an error
	}{
		"good":           {push.Inbound{Data: []byte(`{"name":"a","text":"b"}`)}, `{"name":"a","text":"b"}`},
		"more fields":    {push.Inbound{Data: []byte(`{"name":"a","text":"b","admin":true}`)}, `{"name":"a","text":"b"}`},
		"a long text":    {push.Inbound{Data: []byte(`{"name":"a","text":"` + long + `"}`)}, `{"name":"a","text":"` + long + `"}`},
		"too long":       {push.Inbound{Data: []byte(`{"name":"a","text":"` + long + `ß"}`)}, ""},
		"no text":        {push.Inbound{Data: []byte(`{"name":"a","text":" \n"}`)}, ""},
		"no name":        {push.Inbound{Data: []byte(`{"text":"b"}`)}, ""},
		"a long name":    {push.Inbound{Data: []byte(`{"name":"` + strings.Repeat("a", 41) + `","text":"b"}`)}, ""},
		"lines in names": {push.Inbound{Data: []byte(`{"name":"a\nb","text":"b"}`)}, ""},
		"no JSON":        {push.Inbound{Data: []byte(`hello`)}, ""},
		"binary":         {push.Inbound{Data: []byte(`{"name":"a","text":"b"}`), Encoding: push.EncodingBinary}, ""},
	} {
		got, err := readPost(c.in)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestThePageOfEveryRoomIsUnderAStrictPolicy(t *testing.T) {
	chat := newChat(membroker.New())
	defer chat.hub.Shutdown(t.Context())
	routes := chat.routes()
	for path, want := range map[string]int{
		"/": http.StatusOK, "/room/lobby": http.StatusOK, "/chat.js": http.StatusOK, "/push/client.mjs": http.StatusOK,
		"/room/No": http.StatusNotFound, "/chat.go": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost:8000"+path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
		if policy := w.Header().Get("Content-Security-Policy"); strings.HasPrefix(path, "/room/lobby") && !strings.HasPrefix(policy, "default-src 'none';") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
	}
}

func TestStrangeHostNamesAreRefused(t *testing.T) {
	s := servetest.Start(t, run, "-host", "chat.example")
	for host, want := range map[string]int{"localhost": 200, "Chat.example:8000": 200, "evil.example": 421} {
		if status, _ := s.Do(t, http.MethodGet, "/", "", "Host", host); status != want {
			t.Errorf("%q: %d, want %d", host, status, want)
		}
	}
}

func TestShutdownSendsEverybodyAway(t *testing.T) {
	s := servetest.Start(t, run)
	room := s.Follow(t, "chat/lobby", "")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if frame, _ := room.Next(t); frame.Type != "reconnect" {
		t.Errorf("the last frame is %+v", frame)
	}
}
