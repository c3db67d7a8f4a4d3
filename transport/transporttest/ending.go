package transporttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// testStalledReader has one client that stops reading. It must be cut at its
// bound with its reason, delay nobody, and be whole again when it comes back.
func testStalledReader(t *testing.T, h Harness) {
	s := open(t, h, push.Options{
		QueueMessages: 64, QueueBytes: 1 << 20,
		ReplayMessages: 10_000, ReplayBytes: 1 << 30,
	})
	stalled := s.connect([]string{"a"}, "")
	reader := s.connect([]string{"a"}, "")
	large := strings.Repeat("x", 64<<10)
	isCut := func() bool { return s.hub.Stats().Closed[push.CodeSlowConsumer] > 0 }
	sent := 0
	for ; sent < 500 && !isCut(); sent++ { // more than sockets hold; the write that is under way takes its timeout
		s.publish("a", fmt.Sprint(sent, " ", large))
		s.wantNumber(reader, sent)
	}
	s.eventually("the end of a client that does not read", isCut)
	got := 0
	for {
		f, err := stalled.Next()
		if err != nil {
			break
		}
		if f.Type == protocol.TypeMessage {
			got++
		}
	}
	if got >= sent {
		t.Fatalf("the stalled client got all %d messages", got)
	}
	// History is bounded too, so what it missed is either all there or a gap.
	again := s.connect([]string{"a"}, stalled.Cursor)
	f := s.next(again)
	switch f.Type {
	case protocol.TypeMessage:
		if want := fmt.Sprint(got, " "); !strings.HasPrefix(string(f.Data), want) {
			t.Errorf("resumed with %.20q, want %q", f.Data, want)
		}
	case protocol.TypeGap:
		if f.Reason != string(broker.GapTrimmed) {
			t.Errorf("resumed with %+v", f)
		}
	}
}

func (s *site) wantNumber(c *Client, n int) {
	s.t.Helper()
	if f := s.next(c); !strings.HasPrefix(string(f.Data), fmt.Sprint(n, " ")) {
		s.t.Fatalf("got %.40q, want number %d", f.Data, n)
	}
}

// testShutdown connects a hundred clients. Each must get what was published, then
// the request to come back, and then the end.
func testShutdown(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	const clients = 100
	connected := make([]*Client, clients)
	for i := range connected {
		connected[i] = s.connect([]string{"a"}, "")
	}
	s.publish("a", "last")
	done := make(chan error, 1)
	go func() { done <- s.hub.Shutdown(context.Background()) }()
	for _, c := range connected {
		s.wantData(c, "last")
		if f := s.next(c); f.Type != protocol.TypeReconnect || f.After < 0 || f.After > 1000 {
			t.Errorf("got %+v", f)
		}
		if f, err := c.Next(); err == nil {
			t.Errorf("after the farewell came %+v", f)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	stats := s.hub.Stats()
	if stats.Sessions != 0 || stats.Topics != 0 || stats.Memory != 0 || stats.Closed[push.CodeDraining] != clients {
		t.Errorf("stats after Shutdown: %+v", stats)
	}
	if err := s.hub.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

// testShutdownStalled has a client that takes nothing: Shutdown must end with its
// context.
func testShutdownStalled(t *testing.T, h Harness) {
	h.New = h.Patient
	s := open(t, h, push.Options{QueueMessages: -1, QueueBytes: -1})
	s.connect([]string{"a"}, "")
	for range 200 {
		s.publish("a", strings.Repeat("x", 64<<10))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.hub.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if n := s.hub.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}
