package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/websocket"
)

// TestHooksMayReturnAnyError: whatever an application's hook returns, the client is answered in
// the words of the protocol, over each transport, and the process lives.
func TestHooksMayReturnAnyError(t *testing.T) {
	var none *push.Error
	refusals := []struct {
		name string
		err  error
		// what the hooks Identify, Authorize and Receive refuse with
		identify, authorize, receive string
		status                       [3]int
	}{
		{"a nil *Error", none, `"unauthenticated"`, `"forbidden"`, `"internal"`, [3]int{401, 403, 500}},
		{"a code that doesn't exist", push.NewError("made_up", "you are banned", nil),
			`"unauthenticated","reason":"you are banned"`, `"forbidden","reason":"you are banned"`, `"internal","reason":"you are banned"`, [3]int{401, 403, 500}},
		{"no code", &push.Error{}, `"unauthenticated"`, `"forbidden"`, `"internal"`, [3]int{401, 403, 500}},
		{"another error", errors.New("secret"), `"unauthenticated"`, `"forbidden"`, `"internal"`, [3]int{401, 403, 500}},
	}
	for _, r := range refusals {
		hooks := []struct {
			name, code string
			options    push.Options
		}{
			{"Identify", r.identify, push.Options{Identify: func(*http.Request) (push.Identity, error) { return push.Identity{}, r.err }}},
			{"Authorize", r.authorize, push.Options{Authorize: func(context.Context, push.Access) error { return r.err }}},
			{"Receive", r.receive, push.Options{Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, r.err }}},
		}
		for i, hook := range hooks {
			t.Run(hook.name+"/"+r.name, func(t *testing.T) {
				testRefusal(t, hook.options, hook.name == "Receive", `"code":`+hook.code, r.status[i])
			})
		}
	}
}

// testRefusal sends a message by POST and over a WebSocket and, unless only messages are
// refused, asks for an event stream.
func testRefusal(t *testing.T, o push.Options, onlyMessages bool, want string, status int) {
	if o.Authorize == nil {
		o.Authorize = push.Anyone
	}
	if o.Receive == nil {
		o.Receive = func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil }
	}
	hub := push.New(membroker.New(), o)
	server := httptest.NewServer(transport.Routes(hub))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
	defer cancel()
	defer hub.Shutdown(ctx)

	requests := map[string]string{http.MethodPost: "/send?topic=a", http.MethodGet: "/sse?topic=a"}
	if onlyMessages {
		delete(requests, http.MethodGet)
	}
	for method, path := range requests {
		request, err := http.NewRequestWithContext(ctx, method, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if !strings.Contains(string(body), want) || strings.Contains(string(body), "secret") || response.StatusCode != status {
			t.Errorf("%s %s: %s %s, want %d %s", method, path, response.Status, body, status, want)
		}
	}

	conn, _, err := websocket.Dial(ctx, server.URL+"/ws", &websocket.DialOptions{Subprotocols: []string{"tidewire.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_ = conn.Write(ctx, websocket.Text, []byte(`{"type":"send","id":1,"topic":"a","data":"x"}`)) // it may be refused already
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("WebSocket: %v, want %s", err, want)
		}
		if strings.Contains(string(frame), `"type":"error"`) {
			if !strings.Contains(string(frame), want) || strings.Contains(string(frame), "secret") {
				t.Errorf("WebSocket: %s, want %s", frame, want)
			}
			return
		}
	}
}
