package doctor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Stream is an event stream that stays the response of its request.
type Stream struct {
	ctx    context.Context // static, as the next is
	cancel context.CancelFunc
	stop   func() bool // ends the wait for the request's context; nil if there is none
	over   chan struct{}
	end    time.Time // when the stream ends by itself; zero for never
}

// Stream examines a stream that stays a response, in the handler's goroutine, before anything
// is written. End has to be called when it is over.
func (d *Doctor) Stream(w http.ResponseWriter, r *http.Request) *Stream {
	s := &Stream{ctx: r.Context()}
	server := serverOf(r)
	if r.ProtoMajor == 1 {
		d.say(r, noHijack, "writer", fmt.Sprintf("%T", w))
	} else if server.HTTP2 != nil && server.HTTP2.MaxConcurrentStreams > 0 && server.HTTP2.MaxConcurrentStreams < minStreams {
		d.say(r, fewStreams, "streams", server.HTTP2.MaxConcurrentStreams)
	}
	if at, ok := r.Context().Deadline(); ok {
		if inServersGoroutine() {
			s.detach(w)
		} else {
			d.bound(s, r, foreign, time.Until(at))
		}
	}
	if server.WriteTimeout > 0 && !canSetWriteDeadline(w) {
		d.bound(s, r, writeTimeout, server.WriteTimeout)
	}
	if server.ReadTimeout > 0 && r.ProtoMajor == 1 && !canSetReadDeadline(w) {
		d.bound(s, r, readTimeout, server.ReadTimeout) // over HTTP/2 it is the body's alone
	}
	d.checkThrottle(r)
	return s
}

// bound heeds a limit of the response: the stream ends in time before it, and up to a tenth
// earlier, so that clients that have come together don't return together.
func (d *Doctor) bound(s *Stream, r *http.Request, c Check, limit time.Duration) {
	d.say(r, c, "limit", limit.Round(time.Second/10))
	limit = max(limit, 1)
	end := time.Now().Add(Before(limit) - rand.N(limit/10+1))
	if s.end.IsZero() || end.Before(s.end) {
		s.end = end
	}
}

// Context ends when the client leaves. A deadline of the request's own context doesn't end it
// where that is all that there is to the deadline.
func (s *Stream) Context() context.Context { return s.ctx }

// detach makes a context that outlives the deadline of the request's. After that the client
// has left when the server says so, or when a heartbeat can't be written.
func (s *Stream) detach(w http.ResponseWriter) {
	request := s.ctx
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(request))
	s.over = make(chan struct{})
	var left <-chan bool
	if notifier, ok := reach[interface{ CloseNotify() <-chan bool }](w); ok { // there is no other way after a deadline
		left = notifier.CloseNotify()
	}
	s.stop = context.AfterFunc(request, func() {
		defer close(s.over)
		if errors.Is(request.Err(), context.DeadlineExceeded) {
			select {
			case <-left:
			case <-s.ctx.Done():
			}
		}
		s.cancel()
	})
}

// End ends what the doctor does for a stream.
func (s *Stream) End() {
	if s.stop == nil {
		return
	}
	s.cancel()
	if !s.stop() {
		<-s.over
	}
}

// margin is how long before a limit a stream ends at the latest.
const margin = 500 * time.Millisecond

// Rotate calls end in time for the stream to end cleanly before a limit, if there is one. The
// function that it returns ends the wait.
func (s *Stream) Rotate(end func()) (stop func()) {
	if s.end.IsZero() {
		return func() {}
	}
	timer := time.AfterFunc(time.Until(s.end), end)
	return func() { timer.Stop() }
}

// Before returns a time that is safely within a limit.
func Before(limit time.Duration) time.Duration { return max(limit/2, limit-margin) }
