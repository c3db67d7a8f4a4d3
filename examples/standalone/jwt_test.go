package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/examples/internal/servetest"
)

const tokenSecret = "a secret that is 32 bytes or more"

// tokenFor makes a token of ann with rights, which is good for a minute.
func tokenFor(t *testing.T, rights map[string][]string) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Minute).Unix(), "tidewire": rights}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// answer is the welcome of a connection, a frame of it, or the answer to a poll.
type answer struct {
	Type    string
	Code    string
	Topic   string
	Session string
	Cursor  string
	Expires int
	Data    json.RawMessage
	Topics  []struct {
		Topic string
		Error *struct{ Code string }
	}
	Frames []answer
}

// allowed are the topics that an answer doesn't refuse; those that it does are forbidden.
func (a *answer) allowed(t *testing.T) (topics []string) {
	t.Helper()
	for _, topic := range a.Topics {
		switch {
		case topic.Error == nil:
			topics = append(topics, topic.Topic)
		case topic.Error.Code != "forbidden":
			t.Errorf("%s: %s", topic.Topic, topic.Error.Code)
		}
	}
	slices.Sort(topics)
	return topics
}

// follower is a client of one transport: next returns what it gets next.
type follower func(t *testing.T) answer

// ways open a client of each transport, with the first answer and what follows.
var ways = map[string]func(t *testing.T, s *servetest.Server, query url.Values, header http.Header) (answer, follower){
	"ws": func(t *testing.T, s *servetest.Server, query url.Values, header http.Header) (answer, follower) {
		c, _, err := websocket.Dial(t.Context(), s.URL+"/push/ws?"+query.Encode(), &websocket.DialOptions{HTTPClient: s.Client, HTTPHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		next := func(t *testing.T) answer {
			_, text, err := c.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return read(t, text)
		}
		return next(t), next
	},
	"sse": func(t *testing.T, s *servetest.Server, query url.Values, header http.Header) (answer, follower) {
		lines := bufio.NewScanner(open(t, s, "/push/sse", query, header))
		next := func(t *testing.T) answer {
			for lines.Scan() {
				if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok || strings.HasPrefix(text, "{") { // a refusal is JSON alone
					return read(t, []byte(text))
				}
			}
			t.Fatal("the stream has ended")
			return answer{}
		}
		return next(t), next
	},
	"poll": func(t *testing.T, s *servetest.Server, query url.Values, header http.Header) (answer, follower) {
		var frames []answer
		poll := func(t *testing.T, wait string) answer {
			query.Set("wait", wait)
			text, err := io.ReadAll(open(t, s, "/push/poll", query, header))
			if err != nil {
				t.Fatal(err)
			}
			a := read(t, text)
			query.Set("since", a.Cursor)
			frames = append(frames, a.Frames...)
			return a
		}
		return poll(t, "0"), func(t *testing.T) answer {
			for len(frames) == 0 {
				poll(t, "60")
			}
			first := frames[0]
			frames = frames[1:]
			return first
		}
	},
}

func read(t *testing.T, text []byte) (a answer) {
	t.Helper()
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return a
}

func open(t *testing.T, s *servetest.Server, path string, query url.Values, header http.Header) io.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	response, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response.Body
}

// startJWT starts a server whose users are known by tokens.
func startJWT(t *testing.T, args ...string) *servetest.Server {
	t.Helper()
	return servetest.Start(t, run, slices.Concat([]string{
		"-jwt-algorithms", "HS256", "-jwt-secret", tokenSecret, "-publish-key", "secret",
	}, args)...)
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// TestUsersFollowWhatTheirTokensAllow on every transport: of six topics a user gets the
// messages of those that the token's claim names.
func TestUsersFollowWhatTheirTokensAllow(t *testing.T) {
	s := startJWT(t, "-presence", "rooms/{room}")
	token := tokenFor(t, map[string][]string{"follow": {"orders/{sub}", "news/{any...}"}, "members": {"rooms/7"}})
	forbidden := []string{"orders/bob", "orders/ann/x", "rooms/7", "tidewire.members/rooms/8"}
	for way, connect := range ways {
		t.Run(way, func(t *testing.T) {
			first, next := connect(t, s, url.Values{"topic": append([]string{"orders/ann", "news/a/b"}, forbidden[:3]...)}, bearer(token))
			if got := first.allowed(t); !slices.Equal(got, []string{"news/a/b", "orders/ann"}) || len(first.Topics) != 5 {
				t.Errorf("the first answer is %+v", first)
			}
			if way != "poll" && (first.Expires < 1 || first.Expires > 60) {
				t.Errorf("the token expires in %d s", first.Expires)
			}
			for _, topic := range append(slices.Clone(forbidden[:3]), "orders/ann", "news/a/b") {
				status, body := s.Do(t, http.MethodPost, "/api/publish", `{"topic":"`+topic+`","data":"for `+topic+`"}`, "Authorization", "Bearer secret")
				if status != http.StatusOK {
					t.Fatal(body)
				}
			}
			var got []string
			for len(got) < 2 {
				if a := next(t); a.Type == "message" {
					got = append(got, string(a.Data))
				}
			}
			slices.Sort(got)
			if want := []string{`"for news/a/b"`, `"for orders/ann"`}; !slices.Equal(got, want) {
				t.Errorf("got %q", got)
			}
			states, _ := connect(t, s, url.Values{"state": {"tidewire.members/rooms/7", forbidden[3]}}, bearer(token))
			if got := states.allowed(t); !slices.Equal(got, []string{"tidewire.members/rooms/7"}) {
				t.Errorf("of members: %v", got)
			}
		})
	}
}

// TestAllRefused: a client that may follow nothing of what it asks for is told why.
func TestAllRefused(t *testing.T) {
	s := startJWT(t)
	for name, test := range map[string]struct {
		header http.Header
		code   string
	}{
		"no token":            {http.Header{}, "unauthenticated"},
		"a bad token":         {bearer("x.y.z"), "unauthenticated"},
		"a key of a backend":  {bearer("secret"), "unauthenticated"},
		"a token for nothing": {bearer(tokenFor(t, nil)), "forbidden"},
		"for another topic":   {bearer(tokenFor(t, map[string][]string{"follow": {"other"}})), "forbidden"},
		"to publish only":     {bearer(tokenFor(t, map[string][]string{"publish": {"news"}, "members": {"news"}})), "forbidden"},
	} {
		for way, connect := range ways {
			first, _ := connect(t, s, url.Values{"topic": {"news"}}, test.header.Clone())
			if first.Code != test.code && (first.Type != "welcome" || first.Topics[0].Error == nil || first.Topics[0].Error.Code != test.code) {
				t.Errorf("%s over %s: %+v", name, way, first)
			}
		}
	}
}

// TestSendingByTokens: the claim publish lets users send, each to their topics.
func TestSendingByTokens(t *testing.T) {
	s := startJWT(t)
	token := tokenFor(t, map[string][]string{"publish": {"rooms/7"}, "follow": {"rooms/{any}"}})
	for topic, want := range map[string]int{"rooms/7": http.StatusOK, "rooms/8": http.StatusForbidden} {
		if status, body := s.Do(t, http.MethodPost, "/push/send?topic="+topic, "hello", "Authorization", "Bearer "+token); status != want {
			t.Errorf("%s: %d %s", topic, status, body)
		}
	}
	for _, path := range []string{"/push/publish?topic=rooms/7", "/api/publish"} {
		if status, _ := s.Do(t, http.MethodPost, path, "{}", "Authorization", "Bearer "+token); status != http.StatusUnauthorized {
			t.Errorf("%s with a user's token: %d", path, status)
		}
	}
}

// TestRefreshHoldsToTheNewToken: what the new token doesn't allow any more is taken away.
func TestRefreshHoldsToTheNewToken(t *testing.T) {
	s := startJWT(t)
	first, next := ways["ws"](t, s, url.Values{"topic": {"a", "b"}}, bearer(tokenFor(t, map[string][]string{"follow": {"a", "b"}})))
	if len(first.allowed(t)) != 2 {
		t.Fatalf("%+v", first)
	}
	refresh := func(token string) (status int, expires int) {
		status, body := s.Do(t, http.MethodPost, "/push/refresh?session="+first.Session, "", "Authorization", "Bearer "+token)
		return status, read(t, []byte(body)).Expires
	}
	if status, expires := refresh(tokenFor(t, map[string][]string{"follow": {"a", "b"}})); status != http.StatusOK || expires < 1 {
		t.Errorf("the same rights: %d, %d s", status, expires)
	}
	if status, _ := refresh(tokenFor(t, map[string][]string{"follow": {"a"}})); status != http.StatusOK {
		t.Errorf("fewer rights: %d", status)
	}
	if frame := next(t); frame.Type != "reconnect" {
		t.Errorf("got %+v", frame)
	}
}

// TestTicketsHaveTheRightsOfTheToken: a WebSocket by a ticket may what its token may.
func TestTicketsHaveTheRightsOfTheToken(t *testing.T) {
	s := startJWT(t, "-tickets")
	for _, way := range []string{"ws", "sse"} {
		status, body := s.Do(t, http.MethodPost, "/push/ticket", "", "Authorization", "Bearer "+tokenFor(t, map[string][]string{"follow": {"orders/{sub}"}}))
		var ticket struct{ Ticket string }
		if err := json.Unmarshal([]byte(body), &ticket); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		first, _ := ways[way](t, s, url.Values{"topic": {"orders/ann", "orders/bob"}, "ticket": {ticket.Ticket}}, http.Header{})
		if got := first.allowed(t); !slices.Equal(got, []string{"orders/ann"}) {
			t.Errorf("%s: %+v", way, first)
		}
	}
}

// TestBackendsSpeakOfUsers: who is connected, disconnected and revoked by the API.
func TestBackendsSpeakOfUsers(t *testing.T) {
	s := startJWT(t)
	token := tokenFor(t, map[string][]string{"follow": {"news"}})
	api := func(method, path, body string) string {
		t.Helper()
		status, answer := s.Do(t, method, "/api"+path, body, "Authorization", "Bearer secret")
		return fmt.Sprint(status, answer)
	}
	first, next := ways["ws"](t, s, url.Values{"topic": {"news"}}, bearer(token))
	if got := api(http.MethodGet, "/connections?user=ann", ""); got != `200{"connections":1}` {
		t.Error(got)
	}
	if got := api(http.MethodPost, "/disconnect", `{"session":"`+first.Session+`"}`); got != "204" {
		t.Error(got)
	}
	if frame := next(t); frame.Type != "reconnect" {
		t.Errorf("after a disconnect: %+v", frame)
	}
	_, next = ways["ws"](t, s, url.Values{"topic": {"news"}}, bearer(token))
	if got := api(http.MethodPost, "/revoke", `{"user":"ann","for":"1h"}`); got != "204" {
		t.Error(got)
	}
	if frame := next(t); frame.Type != "error" || frame.Code != "forbidden" {
		t.Errorf("after a revocation: %+v", frame)
	}
	if refused, _ := ways["ws"](t, s, url.Values{"topic": {"news"}}, bearer(token)); refused.Code != "forbidden" {
		t.Errorf("revoked: %+v", refused)
	}
	if got := api(http.MethodPost, "/restore", `{"user":"ann","for":"1h"}`); got != "204" {
		t.Error(got)
	}
	if back, _ := ways["ws"](t, s, url.Values{"topic": {"news"}}, bearer(token)); len(back.allowed(t)) != 1 {
		t.Errorf("restored: %+v", back)
	}
}
