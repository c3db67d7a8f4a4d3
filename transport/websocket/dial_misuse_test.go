package websocket_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/transport/websocket"
)

// TestDialRefusesBadOptions: they are errors, and not connections that lack something.
func TestDialRefusesBadOptions(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		t.Error("it connects")
		return nil, net.ErrClosed
	}
	tests := []struct {
		name string
		opts *websocket.DialOptions
		want string
	}{
		{"header with a line break", &websocket.DialOptions{Header: http.Header{"X": {"a\r\nEvil: 1"}}, DialContext: dial}, "X"},
		{"header with a bad name", &websocket.DialOptions{Header: http.Header{"X Y": {"a"}}, DialContext: dial}, "X Y"},
		{"host with a line break", &websocket.DialOptions{Header: http.Header{"Host": {"a\r\nEvil: 1"}}, DialContext: dial}, "Host"},
		{"host with a space", &websocket.DialOptions{Header: http.Header{"Host": {"a b"}}, DialContext: dial}, "Host"},
		{"no connection", &websocket.DialOptions{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil },
		}, "DialContext"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, _, err := websocket.Dial(t.Context(), "ws://host.invalid/", tt.opts)
			if err == nil {
				conn.CloseNow()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %s", err, tt.want)
			}
		})
	}
}

// TestReceiveNeedsAHandler: without one it panics where the mistake is, and not when the
// first message arrives.
func TestReceiveNeedsAHandler(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "Handler") {
			t.Errorf("it panics with %q", text)
		}
	}()
	new(websocket.Conn).Receive(nil)
}
