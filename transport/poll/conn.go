package poll

import (
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// conn is one poll. It writes what it is given into the answer, and ends the session when
// the answer has something and there is no more, or time is up.
type conn struct {
	// static
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration    // of a write
	session *session.Session // set before there is anything to write

	mu       sync.Mutex // guards the rest; not held during writes
	answer   answer
	now      bool        // an answer without frames will do
	settled  bool        // the answer has all that there was when the poll came
	complete bool        // the answer can be given
	begun    bool        // something was written
	answered bool        // all of it was
	aborted  bool        // nothing more can be written
	ended    bool        // End has returned, and w isn't ours any more
	due      time.Time   // when the write that is under way has to be done; zero if there is none
	reason   *push.Error // that End was given
}

// open begins the answer, with what became of each topic.
func (c *conn) open(topics []session.Followed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = newAnswer(topics)
}

// Write writes what is to be in the answer.
func (c *conn) Write(frames []*session.Frame) error {
	defer c.endWrite()
	for _, f := range frames {
		before, ok := c.take(f)
		if !ok {
			continue
		}
		if err := c.send(before, f.Bytes); err != nil {
			return err
		}
	}
	c.settle(func() {})
	return nil
}

// take adds a frame to the answer, and returns what is written before it. It isn't ok if the
// frame isn't for this answer.
func (c *conn) take(f *session.Frame) (before []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answer.takes(f) {
		return nil, false
	}
	if c.begun {
		return comma, true
	}
	return c.start(), true
}

var comma = []byte{','}

// start begins to write the answer. Called with c.mu held.
func (c *conn) start() []byte {
	c.begun = true
	protocol.SetHeaders(c.w.Header())
	c.w.Header().Set("Content-Type", "application/json")
	return protocol.PollStart(c.answer.topics)
}

// send writes parts of the answer in time.
func (c *conn) send(parts ...[]byte) error {
	if err := c.beginWrite(); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := c.w.Write(p); err != nil {
			if c.isLate() {
				return os.ErrDeadlineExceeded
			}
			return err
		}
	}
	return nil
}

// beginWrite sets the time for a write, unless one is under way.
func (c *conn) beginWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return net.ErrClosed
	}
	if c.due.IsZero() {
		c.due = time.Now().Add(c.timeout)
		_ = c.control.SetWriteDeadline(c.due) // where w can't do that, the server's WriteTimeout has to do
	}
	return nil
}

func (c *conn) endWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = time.Time{}
}

// isLate reports whether a write that is under way has taken too long.
func (c *conn) isLate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.due.IsZero() && !time.Now().Before(c.due)
}

// Idle notes that the answer has all that there was.
func (c *conn) Idle() { c.settle(func() { c.settled = true }) }

// answerNow has the poll answered as soon as the answer has all that there is.
func (c *conn) answerNow() { c.settle(func() { c.now = true }) }

// settle changes what is known, and ends the session if the answer is complete with that.
func (c *conn) settle(change func()) {
	c.mu.Lock()
	change()
	a := &c.answer
	done := a.isWhole() && (a.full || c.settled && (c.now || a.frames > 0))
	c.complete = c.complete || done
	c.mu.Unlock()
	if done {
		c.session.Close(nil)
	}
}

// End completes the answer, if there is one.
func (c *conn) End(reason *push.Error) {
	defer c.endWrite()
	if end := c.finish(reason); end != nil {
		c.close(c.send(end...) == nil)
		return
	}
	c.close(false)
}

// finish returns what is still to be written; nil if the client gets no answer. A session that
// was cut for what waits is answered with what it has: the client isn't to blame.
func (c *conn) finish(reason *push.Error) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reason = reason
	slow := reason != nil && reason.Code == push.CodeSlowConsumer
	if !c.answer.isWhole() || !(c.complete || c.begun || slow) {
		return nil
	}
	var start []byte
	if !c.begun {
		start = c.start()
	}
	return [][]byte{start, protocol.PollEnd(c.answer.cursor())}
}

func (c *conn) close(answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered, c.ended = answered, true
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

// gone is why a session ends whose request has ended: nil if the client has left.
func (c *conn) gone() *push.Error {
	if c.isLate() {
		return push.NewError(push.CodeSlowConsumer, "", nil)
	}
	return nil
}

// outcome reports what became of the poll. Failure is what it is answered with instead of
// frames, nil if it was answered; begun says that a part of the answer is written.
func (c *conn) outcome() (failure *push.Error, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.answered:
		return nil, true
	case c.reason == nil:
		return push.NewError(push.CodeUnavailable, "", nil), c.begun // nobody is there to read it
	default:
		return c.reason, c.begun
	}
}
