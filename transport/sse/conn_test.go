package sse

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// noted is an output that tells what became of it.
type noted struct {
	output
	told string
}

func (n *noted) Write(p []byte) (int, error) { n.told += "Write "; return len(p), nil }
func (n *noted) Begin()                      { n.told += "Begin " }
func (n *noted) Flush() error                { return nil }
func (n *noted) Abort(ended bool) {
	n.told += map[bool]string{true: "Abort after End ", false: "Abort "}[ended]
}
func (n *noted) End(politely bool) {
	n.told += map[bool]string{true: "End politely ", false: "End "}[politely]
}

// TestAbortedStreamWritesNothing: what comes after Abort isn't written, and the stream
// doesn't begin any more.
func TestAbortedStreamWritesNothing(t *testing.T) {
	frames := []*session.Frame{{Bytes: []byte("x")}}
	tests := []struct {
		name string
		do   func(t *testing.T, c *conn)
		want string
	}{
		{"Write", func(t *testing.T, c *conn) {
			c.Abort()
			if err := c.Write(frames); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write: %v", err)
			}
		}, "Abort "},
		{"TryWrite", func(t *testing.T, c *conn) {
			c.Abort()
			if all, err := c.TryWrite(frames); all || !errors.Is(err, net.ErrClosed) {
				t.Errorf("TryWrite: %v, %v", all, err)
			}
		}, "Abort "},
		{"open", func(t *testing.T, c *conn) {
			c.Abort()
			c.open(cursors{}, func() (*connection, error) { t.Error("taken over"); return nil, net.ErrClosed })
			if c.opened {
				t.Error("opened")
			}
		}, "Abort "},
		{"End with a reason", func(_ *testing.T, c *conn) {
			c.open(cursors{}, nil)
			c.Abort()
			c.End(push.NewError(push.CodeForbidden, "", nil))
		}, "Abort End "},
		{"Abort after End", func(_ *testing.T, c *conn) {
			c.End(push.NewError(push.CodeForbidden, "", nil))
			c.Abort()
		}, "End politely Abort after End "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := &noted{}
			tt.do(t, &conn{watchdog: newWatchdog(time.Hour), out: out})
			if out.told != tt.want {
				t.Errorf("it was told %q, want %q", out.told, tt.want)
			}
		})
	}
}

// TestEndTellsWhy: a client is told why its stream ends, if it has begun and the client
// is there.
func TestEndTellsWhy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opened bool
		reason *push.Error
		want   string
	}{
		{"with a reason", true, push.NewError(push.CodeForbidden, "", nil), "Begin Write End politely "},
		{"before it has begun", false, push.NewError(push.CodeForbidden, "", nil), "End politely "},
		{"the client is gone", true, nil, "End "},
		{"it was told to come back", true, push.NewError(push.CodeDraining, "", nil), "End politely "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := &noted{}
			c := &conn{watchdog: newWatchdog(time.Hour), out: out}
			if tt.opened {
				c.open(cursors{}, nil)
			}
			c.End(tt.reason)
			if out.told != tt.want {
				t.Errorf("it was told %q, want %q", out.told, tt.want)
			}
			c.watchdog.mu.Lock()
			defer c.watchdog.mu.Unlock()
			if c.watchdog.timer != nil {
				c.watchdog.timer.Stop()
			}
		})
	}
}
