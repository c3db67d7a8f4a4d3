package websocket

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// narrow is a connection that takes a number of bytes and then no more, until it is wide.
type narrow struct {
	net.Conn
	room  atomic.Int64
	calls atomic.Int32
	got   bytes.Buffer
}

func (n *narrow) TryWrite(p []byte) (int, error) {
	n.calls.Add(1)
	taken := min(int64(len(p)), n.room.Load())
	n.room.Add(-taken)
	n.got.Write(p[:taken])
	return int(taken), nil
}

func (n *narrow) Write(p []byte) (int, error)        { return n.got.Write(p) }
func (n *narrow) OnReadable(func())                  {}
func (n *narrow) SetWriteDeadline(time.Time) error   { return nil }
func (n *narrow) SetReadDeadline(at time.Time) error { return nil }
func (n *narrow) Close() error                       { return nil }

// TestWhatAFullSocketLeavesIsntCopied: of frames that don't fit, at most what is joined to
// one write is copied, however large they are, and they arrive whole and in order.
func TestWhatAFullSocketLeavesIsntCopied(t *testing.T) {
	sizes := map[string][]int{
		"small frames":      slicesOf(100, 600),
		"a large frame":     {500_000},
		"large and small":   {10, 500_000, 10, 300_000, 10},
		"as large as joint": {writeBufferSize, writeBufferSize, 1, writeBufferSize},
	}
	for name, sizes := range sizes {
		for _, room := range []int64{0, 1, 5000, 20_000, 200_000} {
			c, below := narrowConn(room)
			var frames [][]byte
			var want []byte
			for i, size := range sizes {
				frames = append(frames, bytes.Repeat([]byte{byte('a' + i%26)}, size))
				want = append(want, frames[i]...)
			}
			left, all, err := c.TryWriteFrames(frames)
			if err != nil || all != (int64(len(want)) <= room) {
				t.Fatalf("%s, room for %d: all %v, %v", name, room, all, err)
			}
			if copied := cap(c.unsent); copied > 2*writeBufferSize && !isEndOf(c.unsent, frames[len(frames)-left-1]) {
				t.Errorf("%s, room for %d: %d bytes are copied", name, room, copied)
			}
			if err := c.WriteFrames(frames[len(frames)-left:]); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(below.got.Bytes(), want) {
				t.Errorf("%s, room for %d: not what was written arrives", name, room)
			}
		}
	}
}

func slicesOf(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// isEndOf reports whether p is the end of whole itself, and no copy.
func isEndOf(p, whole []byte) bool { return len(p) > 0 && &p[len(p)-1] == &whole[len(whole)-1] }

func narrowConn(room int64) (*Conn, *narrow) {
	below := &narrow{}
	below.room.Store(room)
	return newConn(below, nil, "", deflateParams{}, (*AcceptOptions)(nil).withDefaults().settings()), below
}
