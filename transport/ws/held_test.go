package ws_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/ws"
)

// TestDrainWhileTheAnswerIsHeld: a client whose topics aren't allowed yet is accepted and
// sent elsewhere.
func TestDrainWhileTheAnswerIsHeld(t *testing.T) {
	asked := make(chan struct{})
	hub := push.New(membroker.New(), push.Options{Authorize: func(ctx context.Context, _ push.Access) error {
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	}})
	server := httptest.NewServer(ws.New(hub))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
	defer cancel()
	down := make(chan error, 1)
	go func() { <-asked; down <- hub.Shutdown(ctx) }()
	conn, _, err := websocket.Dial(ctx, server.URL+"?topic=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_, data, err := conn.Read(ctx)
	if err != nil || !strings.HasPrefix(string(data), `{"type":"reconnect"`) {
		t.Errorf("got %s, %v", data, err)
	}
	for err == nil {
		_, _, err = conn.Read(ctx)
	}
	if code := websocket.CloseStatus(err); code != websocket.StatusServiceRestart {
		t.Errorf("closed by %v", err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}
