package push

import (
	"context"
	"errors"
	"os"
	"slices"
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
		s.turn <- struct{}{} // it has room: there is one writer
	default:
		go s.write()
	}
}

// Serve writes what is queued from now on, and returns when the session has ended. It
// is for a transport that has a goroutine for the session anyway: to wake that is
// cheaper than to start another for each write. When the context ends gone is called,
// once, which has to end the session.
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

// writeAtOnce is a turn of a session for which nothing waited. The frame is reserved.
func (s *Session) writeAtOnce(frame *Frame) {
	s.shard.single[0] = frame
	s.tryWrite(s.shard.single[:], false)
}

// tryWrite writes frames as far as that goes without waiting. keep says that their
// array is the outbox's.
func (s *Session) tryWrite(frames []*Frame, keep bool) {
	all, err := true, error(nil)
	if len(frames) > 0 {
		all, err = s.try.TryWrite(frames)
	}
	if !all && err == nil {
		go s.writeRest(slices.Clone(frames))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written(frames, err); keep {
		s.outbox.keep(frames)
	}
	s.writing = false
	if s.busy() {
		s.wake()
	}
}

// busy reports whether there is something to do for a writer. Called with s.mu held.
func (s *Session) busy() bool {
	return len(s.outbox.queue) > 0 || len(s.replays) > 0 || s.over
}

// writeRest goes on with a write that would have had to wait.
func (s *Session) writeRest(frames []*Frame) {
	err := s.conn.Write(nil)
	s.mu.Lock()
	s.written(frames, err)
	s.mu.Unlock()
	s.write()
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
			return
		case writerOver:
			s.end()
			return
		case writerReplay:
			s.replay()
		case writerBusy:
			err := s.conn.Write(frames)
			s.mu.Lock()
			s.written(frames, err)
			s.mu.Unlock()
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

// written counts what was written; with an error, the session is over. Called with
// s.mu held.
func (s *Session) written(frames []*Frame, err error) {
	s.outbox.unreserve(frames)
	if err != nil {
		s.drop()
		s.finish(writeFailure(err))
	}
}

// writeFailure is why a session ends whose connection could not be written to:
// nil if the client is gone.
func writeFailure(err error) *Error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return Errorf(CodeSlowConsumer, ErrSlowConsumer.Reason, err)
	}
	return nil
}
