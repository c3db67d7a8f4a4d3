package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// byName knows a user by the header Authorization: Bearer NAME, or by a cookie.
func byName(r *http.Request) (push.Identity, error) {
	name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if cookie, err := r.Cookie("user"); err == nil {
		name = cookie.Value
	}
	if name == "" {
		return push.Identity{}, push.CodeUnauthenticated
	}
	return push.Identity{User: name, Claims: map[string]any{"role": "admin"}}, nil
}

func bearer(name string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + name}
}

// ticket asks for a ticket.
func ticket(t *testing.T, server *httptest.Server, name string) string {
	t.Helper()
	response, body := call{"POST", "ticket", "", bearer(name)}.do(t, server)
	var answer struct {
		Ticket  string
		Expires int
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", response.StatusCode, body, err)
	}
	if len(answer.Ticket) != 43 || answer.Expires != 30 {
		t.Fatalf("answered %s", body)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store, no-transform", "Referrer-Policy": "no-referrer"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	return answer.Ticket
}

// follow connects a client with a ticket, and tells how it is refused; "" if it isn't.
func follow(t *testing.T, dial transporttest.Dial, address string) push.Code {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
	defer cancel()
	c, err := dial(ctx, address, []string{"a"}, "")
	if status, ok := errors.AsType[*transporttest.StatusError](err); ok {
		var answer struct{ Code push.Code }
		if err := json.Unmarshal([]byte(status.Body), &answer); err != nil || answer.Code.HTTPStatus() != status.Status {
			t.Errorf("status %d with %s", status.Status, status.Body)
		}
		return answer.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f.Type == protocol.TypeWelcome {
		return ""
	}
	return push.Code(f.Code)
}

// TestTickets has every way in which a ticket can be good or bad, on every transport.
func TestTickets(t *testing.T) {
	var log testaid.Log
	asked := make(chan push.Access, 100)
	_, server := routes(t, push.Options{
		Identify: byName,
		Limits:   push.Limits{Failures: push.Rate{PerSecond: -1}, Sends: push.Rate{PerSecond: -1}},
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		Authorize: func(_ context.Context, a push.Access) error {
			asked <- a
			return nil
		},
	}, transport.Options{Tickets: true})
	var all []string
	fresh := func() string {
		all = append(all, ticket(t, server, "ann"))
		return all[len(all)-1]
	}
	for _, way := range ways {
		t.Run(way.path, func(t *testing.T) {
			address := server.URL + "/app/push/" + way.path
			good := fresh()
			want := func(what, query string, code push.Code) {
				t.Helper()
				if got := follow(t, way.dial, address+query); got != code {
					t.Errorf("%s: %q, want %q", what, got, code)
				}
			}
			want("good", "?ticket="+good, "")
			a := <-asked
			if a.Identity.User != "ann" || !reflect.DeepEqual(a.Identity.Claims, map[string]any{"role": "admin"}) {
				t.Errorf("the identity is %+v", a.Identity)
			}
			want("used", "?ticket="+good, push.CodeUnauthenticated)
			want("none", "", push.CodeUnauthenticated)
			want("empty", "?ticket=", push.CodeUnauthenticated)
			want("forged", "?ticket="+strings.Repeat("A", 43), push.CodeUnauthenticated)
			want("too long", "?ticket="+fresh()+"A", push.CodeUnauthenticated)
			want("much too long", "?ticket="+strings.Repeat("A", 20<<10), push.CodeUnauthenticated)
			want("other letters", "?ticket="+strings.Repeat("*", 43), push.CodeUnauthenticated)
			other := fresh()
			last := map[bool]string{true: "B", false: "A"}[strings.HasSuffix(other, "A")]
			want("changed", "?ticket="+other[:42]+last, push.CodeUnauthenticated)
			want("given twice", "?ticket="+fresh()+"&ticket="+fresh(), push.CodeBadRequest)
			want("beside a token", "?ticket="+fresh()+"&access_token=x", push.CodeBadRequest)
		})
	}
	for _, path := range []string{"ws", "sse"} {
		for _, test := range []struct {
			header, value string
			want          int
		}{
			{"Origin", "https://evil.example", http.StatusForbidden},
			{"Authorization", "Bearer ann", http.StatusBadRequest},
		} {
			if path == "ws" && test.want == http.StatusBadRequest {
				continue // said after the upgrade; the same code decides
			}
			response, body := call{"GET", path + "?topic=a&ticket=" + fresh(), "", map[string]string{
				test.header: test.value, "Connection": "Upgrade", "Upgrade": "websocket",
				"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			}}.do(t, server)
			if response.StatusCode != test.want {
				t.Errorf("%s with %s %s: %d %s", path, test.header, test.value, response.StatusCode, body)
			}
			if strings.Contains(body, all[len(all)-1]) {
				t.Errorf("the answer has the ticket: %s", body)
			}
		}
	}
	for _, ticket := range all {
		if strings.Contains(log.String(), ticket) {
			t.Error("a ticket is in the log")
		}
	}
}

// TestPollTakesNoTicket: it would be used up by the first of many requests. It stays good.
func TestPollTakesNoTicket(t *testing.T) {
	_, server := routes(t, push.Options{Identify: byName}, transport.Options{Tickets: true})
	good := ticket(t, server, "ann")
	for _, headers := range []map[string]string{nil, bearer("ann")} {
		response, body := call{"GET", "poll?topic=a&wait=0&ticket=" + good, "", headers}.do(t, server)
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "header or a cookie") || strings.Contains(body, good) {
			t.Errorf("%d %s", response.StatusCode, body)
		}
	}
	response, body := call{"GET", "poll?topic=a&wait=0&ticket=" + good, "", map[string]string{"Origin": "https://evil.example"}}.do(t, server)
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page: %d %s", response.StatusCode, body)
	}
	if response, body := (call{"GET", "poll?topic=a&wait=0", "", bearer("ann")}).do(t, server); response.StatusCode != http.StatusOK {
		t.Errorf("without a ticket: %d %s", response.StatusCode, body)
	}
	if code := follow(t, transporttest.DialSSE, server.URL+"/app/push/sse?ticket="+good); code != "" {
		t.Errorf("the ticket isn't good any more: %q", code)
	}
}

func TestTicketRoute(t *testing.T) {
	_, server := routes(t, push.Options{Identify: byName}, transport.Options{Tickets: true})
	for _, test := range []struct {
		name    string
		call    call
		want    int
		content string
	}{
		{"nobody", call{"POST", "ticket", "", nil}, 401, `"unauthenticated"`},
		{"GET", call{"GET", "ticket", "", bearer("ann")}, 405, `"bad_request"`},
		{"foreign page", call{"POST", "ticket", "", map[string]string{"Cookie": "user=ann", "Origin": "https://evil.example"}}, 403, `"forbidden"`},
		{"by ticket", call{"POST", "ticket?ticket=" + ticket(t, server, "ann"), "", nil}, 401, `"unauthenticated"`},
		{"send by ticket", call{"POST", "send?topic=a&ticket=" + ticket(t, server, "ann"), "x", nil}, 401, `"unauthenticated"`},
	} {
		if response, body := test.call.do(t, server); response.StatusCode != test.want || !strings.Contains(body, test.content) {
			t.Errorf("%s: %d %s", test.name, response.StatusCode, body)
		}
	}
}

func TestAnonymousGetsNoTicket(t *testing.T) {
	_, server := routes(t, push.Options{}, transport.Options{Tickets: true})
	if response, body := (call{"POST", "ticket", "", nil}).do(t, server); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// TestTicketsAreOffByDefault has neither the route, nor is a ticket looked at.
func TestTicketsAreOffByDefault(t *testing.T) {
	hub, server := routes(t, push.Options{Identify: byName}, transport.Options{})
	for _, method := range []string{"POST", "GET"} {
		response, body := call{method, "ticket", "", bearer("ann")}.do(t, server)
		const want = `{"code":"bad_request","reason":"tickets are off: this server has no transport.Options.Tickets","retry":"never"}`
		if response.StatusCode != http.StatusNotFound || body != want || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s ticket: %d %s", method, response.StatusCode, body)
		}
	}
	secret, _, err := session.Of(hub).Ticket(t.Context(), push.Identity{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range withPolls {
		if code := follow(t, way.dial, server.URL+"/app/push/"+way.path+"?ticket="+secret); code != push.CodeUnauthenticated {
			t.Errorf("%s: %q", way.path, code)
		}
	}
}

// TestTicketExpires redeems tickets before and after their time, and those of
// identities that end sooner.
func TestTicketExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
		defer hub.Shutdown(context.Background())
		issue := func(id push.Identity) string {
			secret, lasts, err := session.Of(hub).Ticket(t.Context(), id)
			if err != nil || lasts != 30*time.Second {
				t.Fatal(lasts, err)
			}
			return secret
		}
		identify := func(secret string) (push.Identity, error) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			return session.Of(hub).Identify(session.WithIdentify(r, func(r *http.Request) (push.Identity, error) {
				return session.Of(hub).Redeem(r.Context(), secret)
			}))
		}
		id := push.Identity{User: "ann", Issued: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Minute)}
		soon, late, short, revoked := issue(id), issue(id), issue(push.Identity{User: "ann", Expires: time.Now()}), issue(id)
		time.Sleep(30*time.Second - time.Millisecond)
		got, err := identify(soon)
		if err != nil || got.User != id.User || !got.Issued.Equal(id.Issued) || !got.Expires.Equal(id.Expires) || got.Claims != nil {
			t.Errorf("in time: %+v, %v", got, err)
		}
		if _, err := identify(short); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("of an identity that has expired: %v", err)
		}
		if err := hub.Revoke(t.Context(), push.Revocation{User: "ann"}); err != nil {
			t.Fatal(err)
		}
		if _, err := identify(revoked); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("of a user who was revoked: %v", err)
		}
		time.Sleep(time.Millisecond)
		if _, err := identify(late); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("too late: %v", err)
		}
	})
}

type role struct{ Name string }

// TestTicketKeepsClaims has claims that become JSON and come back the same, and those
// that wouldn't: they get no ticket.
func TestTicketKeepsClaims(t *testing.T) {
	decode := func(text []byte) (any, error) {
		var r role
		err := json.Unmarshal(text, &r)
		return r, err
	}
	for _, test := range []struct {
		claims any
		decode func([]byte) (any, error)
		want   bool
	}{
		{nil, nil, true},
		{"text", nil, true},
		{1.5, nil, true},
		{true, nil, true},
		{map[string]any{"a": []any{"b", 1.0, nil, map[string]any{}}}, nil, true},
		{1, nil, false},
		{int64(1 << 62), nil, false},
		{[]string{"a"}, nil, false},
		{map[string]string{"a": "b"}, nil, false},
		{map[string]any{"a": 1}, nil, false},
		{map[string]any(nil), nil, false},
		{"\xff", nil, false},
		{role{"admin"}, nil, false},
		{&role{"admin"}, nil, false},
		{func() {}, nil, false},
		{role{"admin"}, decode, true},
		{"no role", decode, false},
		{role{"admin"}, func([]byte) (any, error) { panic("in the application") }, false},
	} {
		var log testaid.Log
		hub := push.New(membroker.New(), push.Options{DecodeClaims: test.decode, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		secret, _, err := session.Of(hub).Ticket(t.Context(), push.Identity{User: "ann", Claims: test.claims})
		if (err == nil) != test.want {
			t.Errorf("%#v: %v", test.claims, err)
		}
		if err != nil && (!errors.Is(err, push.CodeInternal) || !strings.Contains(log.String(), "no ticket can be made")) {
			t.Errorf("%#v: %v, logged %s", test.claims, err, log.String())
		}
		if err == nil {
			if id, err := session.Of(hub).Redeem(t.Context(), secret); err != nil || !reflect.DeepEqual(id.Claims, test.claims) {
				t.Errorf("%#v came back as %#v, %v", test.claims, id.Claims, err)
			}
		}
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	hub := push.New(membroker.New(), push.Options{Logger: slog.New(slog.DiscardHandler)})
	defer hub.Shutdown(context.Background())
	if _, _, err := session.Of(hub).Ticket(t.Context(), push.Identity{User: "\xff"}); !errors.Is(err, push.CodeInternal) {
		t.Errorf("a user that isn't UTF-8: %v", err)
	}
}

// TestStoredTicketsAreOfNoUse has somebody who reads and writes all that is stored.
func TestStoredTicketsAreOfNoUse(t *testing.T) {
	b := membroker.New()
	hub := push.New(b, push.Options{Logger: slog.New(slog.DiscardHandler)})
	defer hub.Shutdown(context.Background())
	issue := func(user string) string {
		secret, _, err := session.Of(hub).Ticket(t.Context(), push.Identity{User: user, Claims: "hunter2"})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	secret := issue("ann")
	ann, err := b.All(t.Context(), "tickets")
	if err != nil || len(ann) != 1 {
		t.Fatal(ann, err)
	}
	for name, value := range ann {
		for _, hidden := range []string{secret, "ann", "hunter2"} {
			if strings.Contains(name+string(value.Value), hidden) {
				t.Errorf("%q is stored", hidden)
			}
		}
		if _, err := session.Of(hub).Redeem(t.Context(), name); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("a stored name as a ticket: %v", err)
		}
		issue("eve")
		all, err := b.All(t.Context(), "tickets")
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		for other, value := range all {
			forged := value.Value
			if other == name {
				forged = bytes.Clone(forged)
				forged[len(forged)-1] ^= 1
			}
			v := broker.Stored{Value: forged, Version: 1, TTL: time.Minute} // in place of the real one
			if _, err := b.Put(t.Context(), "tickets", name, v); err != nil {
				t.Fatal(err)
			}
			if id, err := session.Of(hub).Redeem(t.Context(), secret); !errors.Is(err, push.CodeUnauthenticated) {
				t.Errorf("what was put in its place: %+v, %v", id, err)
			}
		}
	}
}
