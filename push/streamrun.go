package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/broker"
)

// This file is the goroutine of a stream, which calls the broker.

// run appends what was written, and renews the status, until the stream is finished.
func (s *Stream) run() {
	defer close(s.ended)
	defer s.hub.streams.remove(s)
	defer s.hub.broker.Unsubscribe(s.topic, (*stopReceiver)(s))
	renewal := time.NewTicker(streamRenewal)
	defer renewal.Stop()
	var due <-chan time.Time
	for {
		full, finished := s.waiting()
		switch {
		case finished:
			s.conclude()
			return
		case full && due == nil:
			s.flush()
			continue
		}
		select {
		case <-s.arrived:
			if due == nil {
				due = time.After(streamDelay)
			}
		case <-due:
			due = nil
			s.flush()
		case <-renewal.C:
			s.try(s.renew)
		}
	}
}

// waiting reports whether a piece is full, and whether the stream is finished.
func (s *Stream) waiting() (full, finished bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.text) >= streamPiece, s.finished
}

// flush appends what was written.
func (s *Stream) flush() {
	for piece := s.next(false); len(piece) > 0; piece = s.next(false) {
		if !s.append(piece) {
			return
		}
	}
}

// next takes a piece of what was written, which ends with a character; with all it takes
// the half of one, too.
func (s *Stream) next(all bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.text), maxPiece)
	if n < len(s.text) || !all {
		n = wholeCharacters(s.text[:n])
	}
	piece := bytes.ToValidUTF8(s.text[:n], []byte("\uFFFD"))
	s.text = append([]byte(nil), s.text[n:]...)
	s.room.Broadcast()
	return piece
}

// wholeCharacters is how long text is without the first bytes of a character at its end.
func wholeCharacters(text []byte) int {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				return len(text)
			}
			return i
		}
	}
	return len(text)
}

// append appends a piece once. It reports whether that is done; else the stream has failed.
func (s *Stream) append(piece []byte) bool {
	m := s.change(broker.OpAppend, "")
	m.Data = piece
	return s.try(func(ctx context.Context) error {
		if time.Since(s.renewed) > streamLease-streamRenewal {
			if err := s.renew(ctx); err != nil {
				return err
			}
		}
		_, err := s.hub.Publish(ctx, m)
		return err
	})
}

// renew renews the status, and the text. The status isn't there any more if this process has stood still for so
// long that readers have been told that the stream failed.
func (s *Stream) renew(ctx context.Context) error {
	at := time.Now()
	m := s.change(broker.OpTouch, statusSuffix)
	m.TTL, m.IfVersion = streamLease, s.version
	_, err := s.hub.Publish(ctx, m)
	if err != nil {
		return err
	}
	s.renewed = at
	if s.lasts == 0 {
		return nil
	}
	if _, err = s.hub.Publish(ctx, s.change(broker.OpTouch, "")); errors.Is(err, CodeConflict) {
		return nil // somebody has deleted the text
	}
	return err
}

// try calls the broker, again while it can't be reached, as long as the lease lasts. It
// reports whether that has succeeded; else the stream has failed.
func (s *Stream) try(call func(ctx context.Context) error) bool {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), s.hub.options.BrokerTimeout)
		err := call(ctx)
		cancel()
		if err == nil || errors.Is(err, CodeNotReplicated) {
			return true
		}
		if AsError(err).Code.Final() || errors.Is(err, CodeLimitReached) || time.Since(s.renewed) > streamLease {
			s.fail(err)
			return false
		}
		time.Sleep(streamRetry)
	}
}

// fail makes the stream one that has failed.
func (s *Stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.text = nil
	s.finished, s.outcome = true, streamStatus{"failed", AsError(err).Reason}
	s.room.Broadcast()
}

// conclude appends what is left, and says how the stream has ended.
func (s *Stream) conclude() {
	for piece := s.next(true); len(piece) > 0; piece = s.next(true) {
		if !s.append(piece) {
			break
		}
	}
	s.mu.Lock()
	status, err := json.Marshal(s.outcome)
	s.mu.Unlock()
	if err != nil {
		return // it is two strings
	}
	m := s.change(broker.OpSet, statusSuffix)
	m.Data, m.Encoding, m.IfVersion = status, EncodingJSON, s.version
	s.try(func(ctx context.Context) error {
		_, err := s.hub.Publish(ctx, m)
		return err
	})
}
