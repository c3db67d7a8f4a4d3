package push

import (
	"context"
	"errors"
	"os"
)

// wake sees to it that somebody writes. Called with s.mu held.
func (s *Session) wake() {
	if !s.writing {
		s.writing = true
		go s.write()
	}
}

// write is the goroutine that empties the outbox, one at a time for a session.
// It ends when nothing is left to write, and closes the connection if the
// session is over. The hub's count of the session covers it.
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
			s.written(frames, err)
		}
	}
}

type writerState uint8

const (
	writerIdle   writerState = iota // nothing to do; the goroutine ends
	writerBusy                      // there are frames to write
	writerReplay                    // a replay waits
	writerOver                      // the session is over and all is written
)

// work says what the writer does next. What is queued goes first, so that a
// replay is as fast as its client reads, and doesn't hold up other topics.
func (s *Session) work() ([]*Frame, writerState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if frames := s.outbox.take(); len(frames) > 0 {
		return frames, writerBusy
	}
	switch {
	case len(s.replays) > 0:
		return nil, writerReplay
	case s.over:
		return nil, writerOver
	default:
		s.writing = false
		return nil, writerIdle
	}
}

func (s *Session) written(frames []*Frame, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.written(frames)
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

// replay queues the next part of the first replay that waits.
func (s *Session) replay() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.replays) == 0 {
		return
	}
	sub := s.replays[0]
	if sub.wantsHistory() {
		s.mu.Unlock()
		missed, gap, err := sub.history()
		s.mu.Lock()
		switch {
		case s.over:
			return
		case err != nil:
			s.hub.options.Logger.Warn("push: history can't be read", "topic", sub.feed.topic, "error", err)
			s.drop()
			s.finish(Errorf(CodeUnavailable, "history can't be read now", err))
			return
		case !sub.wantsHistory():
			// It was broken off or given up meanwhile.
		case gap != nil:
			sub.gap = gap
			if gap.Now != sub.head {
				sub.goAhead(gap.Now)
			}
		default:
			sub.missed = missed
		}
	}
	for size := 0; size < writeSize && len(sub.missed) > 0; {
		frame := s.format.Message(sub.missed[0])
		if size > 0 && !s.outbox.fits(frame, s.hub.options.Queue) {
			return // it goes on when the client has read so far
		}
		if !s.enqueue(frame) {
			return
		}
		sub.missed = sub.missed[1:]
		size += len(frame.Bytes)
		s.hub.stats.replayed.Add(1)
	}
	if len(sub.missed) > 0 {
		return
	}
	s.replays = s.replays[1:]
	if sub.state == replaying {
		sub.goLive()
	}
}
