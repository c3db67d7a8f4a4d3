package sse

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// conn is the response of one event stream. The hub's writer owns it from the
// first write until End; the handler's goroutine waits meanwhile.
type conn struct {
	// static
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration

	refused *push.Error // set by the handler's goroutine, for itself

	mu      sync.Mutex // guards the rest of this paragraph; not held during writes
	aborted bool
	ended   bool // the response isn't ours any more

	// owned by the writer, set up before the first frame
	begun   bool
	topics  map[string]int // index in cursors
	cursors []string       // where the client is in each topic; "" if not known
	id      []byte         // the id line for these; empty if it must be made
}

func newConn(w http.ResponseWriter, timeout time.Duration) *conn {
	return &conn{w: w, control: http.NewResponseController(w), timeout: timeout, topics: map[string]int{}}
}

// begin notes the topics of the stream and where the client is in them. A topic
// that is refused for now keeps its place in the id, so that the client still has
// it when it comes back.
func (c *conn) begin(answers []push.Followed) {
	for _, a := range answers {
		if a.Err == nil || a.Cursor != "" {
			c.topics[a.Topic] = len(c.cursors)
			c.cursors = append(c.cursors, a.Cursor)
		}
	}
}

// Write sends events and flushes.
func (c *conn) Write(frames []*push.Frame) error {
	if err := c.setDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	if !c.begun {
		c.begun = true
		// A deadline for the request as a whole isn't meant for a stream.
		_ = c.control.SetReadDeadline(time.Time{})
		setHeaders(c.w.Header())
		c.w.WriteHeader(http.StatusOK)
	}
	for _, f := range frames {
		if err := c.write(f); err != nil {
			return err
		}
	}
	return c.control.Flush()
}

// write writes one event, with the id of the whole stream. A stream of one topic
// shares all bytes with others of the same topic.
func (c *conn) write(f *push.Frame) error {
	if f == heartbeat || len(c.cursors) == 0 {
		_, err := c.w.Write(f.Bytes)
		return err
	}
	if f.Cursor != "" {
		if i, ok := c.topics[f.Topic]; ok {
			c.cursors[i], c.id = f.Cursor, c.id[:0]
		}
		if len(c.cursors) == 1 {
			_, err := c.w.Write(f.Bytes)
			return err
		}
	}
	if len(c.id) == 0 {
		c.id = c.appendID(c.id)
	}
	if _, err := c.w.Write(c.id); err != nil {
		return err
	}
	_, err := c.w.Write(f.Bytes[f.Own:])
	return err
}

// appendID appends the id line: the joined cursors of all topics. While a place
// isn't known it is the cursor of nothing, since one that lacks a topic would mean
// that the client is new to it, and hide the gap that is still to come.
func (c *conn) appendID(b []byte) []byte {
	if slices.Contains(c.cursors, "") {
		return appendID(b, push.EmptyCursor)
	}
	return appendID(b, push.JoinCursors(c.cursors))
}

// setDeadline bounds the next write, unless the stream is to end at once.
func (c *conn) setDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return net.ErrClosed
	}
	if err := c.control.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil // a test's recorder, say: the queue's bound still holds
}

// End tells the client why, if it isn't gone.
func (c *conn) End(reason *push.Error) {
	if reason != nil && reason.Code != push.CodeDraining && c.refused == nil {
		_ = c.Write([]*push.Frame{failure(reason)}) // the stream ends either way
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if !c.aborted {
		_ = c.control.SetWriteDeadline(time.Time{}) // the connection may serve another request
	}
}

// Abort makes a write that is under way fail.
func (c *conn) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if !c.ended {
		_ = c.control.SetWriteDeadline(time.Unix(1, 0)) // fails if nothing can be written anyway
	}
}
