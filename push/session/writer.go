package session

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"

	"github.com/tidewire/tidewire/push"
)

// wake sees to it that somebody writes: the shard, in its round, or for what may wait
// the goroutine in Serve, or else one that is started. Called with s.mu held.
func (s *Session) wake() {
	if s.writing {
		return
	}
	s.writing = true
	switch {
	case s.quick():
		s.shard.add(s)
	case s.turn != nil:
		s.outbox.keepAll(&s.hub.memory)
		s.turn <- struct{}{} // it has room: there is one writer
	default:
		s.outbox.keepAll(&s.hub.memory)
		go s.write()
	}
}

// Serve writes what is queued from now on, and returns when the session has ended. It
// is for a transport that has a goroutine for the session anyway: to wake that is
// cheaper than to start another for each write. When the context ends gone is called,
// once, which has to end the session. A Write that began before Serve may still be under
// way then, in another goroutine.
func (s *Session) Serve(ctx context.Context, gone func()) {
	turn := make(chan struct{}, 1)
	s.mu.Lock()
	s.turn = turn
	s.mu.Unlock()
	over := ctx.Done()
	for {
		select {
		case <-turn:
			s.write()
		case <-over:
			over = nil
			gone()
		case <-s.Done():
			return
		}
	}
}

// quick reports whether all that is to be done can be done without waiting.
func (s *Session) quick() bool {
	return s.try != nil && len(s.replays) == 0 && !s.over
}

// flush is the session's turn in the shard's round.
func (s *Session) flush() {
	s.mu.Lock()
	frames := s.outbox.take()
	s.mu.Unlock()
	s.tryWrite(frames, true)
}

// beginAtOnce begins a turn of a session for which nothing waits but a frame that is
// reserved. Called with s.mu held.
func (s *Session) beginAtOnce(frame *Frame) {
	s.writing = true
	s.shard.single[0] = frame
	s.outbox.taken = s.shard.single[:]
}

// tryWrite writes frames as far as that goes without waiting. keep says that their
// array is the outbox's.
func (s *Session) tryWrite(frames []*Frame, keep bool) {
	all, err := true, error(nil)
	if len(frames) > 0 {
		all, err = s.try.TryWrite(frames)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !all && err == nil {
		if !keep {
			frames = slices.Clone(frames)
		}
		s.outbox.taken = frames
		go s.writeRest(frames, s.leaveRound())
		return
	}
	if s.finished(frames, err, s.shard.samples()); keep {
		s.outbox.reuse(frames)
	}
	if s.outbox.rest(&s.hub.memory); len(s.outbox.queue) > 0 && !s.outbox.keepAll(&s.hub.memory) {
		s.cutForMemory()
	}
	s.writing = false
	if s.busy() {
		s.wake()
	}
}

// leaveRound has a session keep what its socket didn't take, to be written by a
// goroutine of its own. It reports whether there is room for that; without, the session
// is over. Called with s.mu held.
func (s *Session) leaveRound() bool {
	o, m := &s.outbox, &s.hub.memory
	o.waits = true
	if o.keepAll(m) && o.pay(m, o.count) {
		return true
	}
	s.cutForMemory()
	return false
}

// busy reports whether there is something to do for a writer. Called with s.mu held.
func (s *Session) busy() bool {
	return len(s.outbox.queue) > 0 || len(s.replays) > 0 || s.over
}

// writeRest goes on with a write that would have had to wait, unless it may not.
func (s *Session) writeRest(frames []*Frame, may bool) {
	if !may {
		s.conn.Abort()
	}
	s.finishWrite(frames, s.conn.Write(nil))
	s.write()
}

// finishWrite counts what was written by a goroutine of the session's own.
func (s *Session) finishWrite(frames []*Frame, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished(frames, err, true)
	clear(frames)
}

// write empties the outbox of a session which may have to wait, in one goroutine at a
// time. It returns when nothing is left to write, or the shard can go on, and
// closes the connection if the session is over. The hub's count of the session
// covers it.
func (s *Session) write() {
	for {
		frames, state := s.work()
		switch state {
		case writerIdle:
			if c, ok := s.conn.(Collector); ok {
				c.Idle()
			}
			return
		case writerOver:
			s.end()
			return
		case writerReplay:
			s.replay()
		case writerBusy:
			s.finishWrite(frames, s.conn.Write(frames))
		}
	}
}

type writerState uint8

const (
	writerIdle   writerState = iota // nothing to do here
	writerBusy                      // there are frames to write
	writerReplay                    // a replay waits
	writerOver                      // the session is over and all is written
)

// work says what the writer does next. What is queued goes first, so that a
// replay is as fast as its client reads, and doesn't hold up other topics.
func (s *Session) work() ([]*Frame, writerState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.busy():
		s.outbox.rest(&s.hub.memory)
		s.writing = false
		return nil, writerIdle
	case s.quick():
		s.shard.add(s)
		return nil, writerIdle
	case len(s.outbox.queue) > 0:
		return s.outbox.take(), writerBusy
	case len(s.replays) > 0:
		return nil, writerReplay
	default:
		return nil, writerOver
	}
}

// finished counts what was written; with an error, the session is over. With timed it
// counts how long that took. Called with s.mu held.
func (s *Session) finished(frames []*Frame, err error, timed bool) {
	size := s.outbox.size
	stamps := s.outbox.unreserve(&s.hub.memory, frames)
	if stamps&traced != 0 {
		s.hub.traces.settled(frames, noteWrite(err))
	}
	s.outbox.taken = nil
	if err != nil {
		s.drop()
		s.finish(writeFailure(err))
		return
	}
	s.written += uint64(size - s.outbox.size - len(frames)*frameOverhead)
	if stamps != 0 && timed && !s.catching {
		s.timeWrite(frames)
	}
	s.catching = s.catching && s.busy()
}

var errSlowConsumer = push.NewError(push.CodeSlowConsumer, "", nil)

// writeFailure is why a session ends whose connection could not be written to:
// nil if the client is gone.
func writeFailure(err error) *push.Error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return push.NewError(push.CodeSlowConsumer, "", err)
	}
	return lossOf(err)
}

// lossOf is why a session ends whose connection has failed; nil if the client has
// closed it.
func lossOf(err error) *push.Error {
	if e, ok := errors.AsType[*push.Error](err); ok {
		return e
	}
	if code, ok := errors.AsType[push.Code](err); ok {
		return push.NewError(code, "", nil)
	}
	for _, unreachable := range []error{syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, unreachable) {
			return push.NewError(push.CodeTimeout, "the client can't be reached", err)
		}
	}
	return nil
}
