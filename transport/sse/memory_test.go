package sse

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/internal/socket"
)

// narrow is a connection that takes a number of bytes and then no more, but from those
// that wait.
type narrow struct {
	net.Conn
	room int
	got  bytes.Buffer
}

func (n *narrow) TryWrite(p []byte) (int, error) {
	taken := min(len(p), n.room)
	n.room -= taken
	n.got.Write(p[:taken])
	return taken, nil
}

func (n *narrow) Write(p []byte) (int, error)      { return n.got.Write(p) }
func (n *narrow) OnReadable(func())                {}
func (n *narrow) SetWriteDeadline(time.Time) error { return nil }

// TestWhatAFullSocketLeavesIsntCopied: of events that don't fit, at most what is joined to
// one write is copied, however large they are and however many topics the stream has.
// They arrive whole and in order.
func TestWhatAFullSocketLeavesIsntCopied(t *testing.T) {
	sizes := map[string][]int{
		"small":           {500, 600, 700, 800, 900, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000},
		"large":           {500_000},
		"large and small": {10, 500_000, 10, 300_000, 10},
	}
	for name, sizes := range sizes {
		for topics := 1; topics <= 2; topics++ {
			frames := eventsOf(sizes)
			want := (&written{}).all(t, topics, frames)
			for _, room := range []int{0, 1, 5000, 20_000, 200_000, 1 << 20} {
				w := &written{narrow: narrow{room: room}}
				c := w.stream(topics)
				all, err := c.TryWrite(frames)
				if err != nil || all != (len(want) <= room) {
					t.Fatalf("%s, %d topics, room for %d: all %v, %v", name, topics, room, all, err)
				}
				copied := 0
				for _, p := range c.unsent {
					if !shared(p, frames) {
						copied += cap(p)
					}
				}
				if copied > 2*joinSize {
					t.Errorf("%s, %d topics, room for %d: %d bytes are copied", name, topics, room, copied)
				}
				if err := c.Write(nil); err != nil {
					t.Fatal(err)
				}
				if got := w.got.String(); got != want {
					t.Errorf("%s, %d topics, room for %d: not what was written arrives", name, topics, room)
				}
			}
		}
	}
}

// written is what arrives.
type written struct{ narrow }

func (w *written) stream(topics int) *conn {
	c := &conn{watchdog: newWatchdog(time.Second), out: &connection{Conn: w, socket: socket.New(w)}}
	for i := range topics {
		c.cursors.topics = append(c.cursors.topics, topicCursor{topic: fmt.Sprint("t", i), cursor: "c"})
	}
	return c
}

func (w *written) all(t *testing.T, topics int, frames []*session.Frame) string {
	t.Helper()
	if err := w.stream(topics).Write(frames); err != nil {
		t.Fatal(err)
	}
	return w.got.String()
}

func eventsOf(sizes []int) []*session.Frame {
	frames := make([]*session.Frame, len(sizes))
	for i, size := range sizes {
		frames[i] = event("t0", fmt.Sprint("c", i), "", []byte(strings.Repeat("x", size)))
	}
	return frames
}

// shared reports whether p is a part of a frame itself, and no copy.
func shared(p []byte, frames []*session.Frame) bool {
	for _, f := range frames {
		if len(p) > 0 && &p[len(p)-1] == &f.Bytes[len(f.Bytes)-1] {
			return true
		}
	}
	return false
}
