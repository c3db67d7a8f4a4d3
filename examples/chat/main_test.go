package main

import (
	"bytes"
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
	for _, topic := range []string{"lobby", "chat/", "chat/Lobby", "chat/a/b", "chat/-a", "typing/Lobby", "chat/" + strings.Repeat("a", 31)} {
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

// introduced is a guest by this name: what others know the guest by, and the cookie.
func introduced(t *testing.T, s *servetest.Server, name, cookie string, want int) (user, newCookie string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/me", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	response, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		t.Fatalf("%q: %s", name, response.Status)
	}
	if want != http.StatusOK {
		return "", ""
	}
	var answer struct{ User string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(response.Cookies()) != 1 {
		t.Fatal(err, response.Cookies())
	}
	set := response.Cookies()[0]
	if !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || strings.Contains(set.Value, answer.User) {
		t.Errorf("the cookie is %v", set)
	}
	return answer.User, set.Name + "=" + set.Value
}

func TestAGuestStaysTheSame(t *testing.T) {
	s := servetest.Start(t, run)
	mira, cookie := introduced(t, s, " Mira ", "", http.StatusOK)
	if again, same := introduced(t, s, "Mira", cookie, http.StatusOK); again != mira || same != cookie {
		t.Errorf("%s is %s the next time", mira, again)
	}
	for name, cookie := range map[string]string{"another name": cookie, "another browser": "", "a cookie of nobody": "guest=x.TWlyYQ"} {
		to := "Mira"
		if name == "another name" {
			to = "Ada"
		}
		if other, _ := introduced(t, s, to, cookie, http.StatusOK); other == mira {
			t.Errorf("%s: the same guest", name)
		}
	}
	for _, name := range []string{"", " ", "a\nb", strings.Repeat("a", maxName+1)} {
		introduced(t, s, name, "", http.StatusBadRequest)
	}
}

// keys are those of a state, with their values.
func keys(t *testing.T, s *servetest.Server, topic string) map[string]json.RawMessage {
	t.Helper()
	status, body := s.Do(t, http.MethodGet, "/push/poll?wait=0&state="+topic, "")
	var answer struct {
		Frames []struct {
			Changes []struct {
				Key  string
				Data json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s", topic, status, body)
	}
	values := map[string]json.RawMessage{}
	for _, frame := range answer.Frames {
		for _, change := range frame.Changes {
			values[change.Key] = change.Data
		}
	}
	return values
}

func TestWhoTypesAndWhoIsThere(t *testing.T) {
	s := servetest.Start(t, run)
	user, cookie := introduced(t, s, "Mira", "", http.StatusOK)
	say := func(event, body string, cookies ...string) int {
		t.Helper()
		status, _ := s.Do(t, http.MethodPost, "/push/send?topic=chat/lobby&event="+event, body, cookies...)
		return status
	}
	if status := say("typing", "true"); status != http.StatusForbidden {
		t.Errorf("nobody types: %d", status)
	}
	if status := say("typing", "true", "Cookie", cookie, "Origin", s.URL); status != http.StatusOK {
		t.Errorf("Mira types: %d", status)
	}
	if typing := keys(t, s, "typing/lobby"); len(typing) != 1 || string(typing[user]) != `"Mira"` {
		t.Errorf("%s types", typing)
	}
	if status := say("", `{"name":"Mira","text":"done"}`, "Cookie", cookie, "Origin", s.URL); status != http.StatusOK {
		t.Errorf("Mira posts: %d", status)
	}
	if typing := keys(t, s, "typing/lobby"); len(typing) != 0 {
		t.Errorf("%s types", typing)
	}
	s.Follow(t, "chat/lobby", "", 0)
	for len(keys(t, s, "tidewire.members/chat/lobby")) == 0 { // somebody anonymous, soon
	}
	for name, value := range keys(t, s, "tidewire.members/chat/lobby") {
		if name[0] != '~' || strings.Contains(string(value), "user") {
			t.Errorf("a member is %s: %s", name, value)
		}
	}
}

func TestThePageOfEveryRoomIsUnderAStrictPolicy(t *testing.T) {
	chat := newChat(membroker.New(membroker.Options{Topics: brokerOptions.Topics}))
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
