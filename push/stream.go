package push

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// Stream is a text that is written bit by bit, such as the answer of a language model or the
// log of a job, as a key of a state topic: who comes late gets the text so far, who comes
// back only the rest. It outlives the request in which it was begun. [Hub.Stream] begins one.
//
// Beside the text, the key, a stream has two keys: the key and ".status" has a JSON object
// whose state is "open", "done" or "failed", then with a reason; the key and ".stop" is
// there once somebody has asked the stream to stop. The status of a stream whose process has
// died goes within ten seconds: a text without one has failed.
//
// Write, Close and Fail are for one goroutine at a time. A stream that isn't closed keeps a
// goroutine until the hub shuts down.
type Stream struct {
	// static
	hub        *Hub
	topic, key string
	stopped    chan struct{}
	ended      chan struct{} // closed when run has ended
	lasts      time.Duration // how long the text stays that nothing renews; zero is for ever

	version broker.Version // of the status; guarded by mu until that is there, then static
	renewed time.Time      // when it was, at the latest; owned by run

	mu       sync.Mutex      // guards the rest
	wish     broker.Position // of the last wish to stop; zero if there is none
	heeded   bool            // stopped is closed
	text     []byte          // that waits to be appended
	arrived  chan struct{}
	room     *sync.Cond
	finished bool
	outcome  streamStatus // if it is finished
	err      error        // why it has failed
}

// streamStatus is what the status of a stream says.
type streamStatus struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

const (
	// streamLease is how long the status stays of a stream that nobody renews.
	streamLease   = 10 * time.Second
	streamRenewal = 3 * time.Second
	// streamDelay and streamPiece say when what was written is told: after this time, or when
	// there are so many bytes.
	streamDelay = 20 * time.Millisecond
	streamPiece = 1 << 10
	// maxPiece bounds what is appended at once, and maxWaiting what waits for it.
	maxPiece   = 32 << 10
	maxWaiting = 256 << 10
	// streamRetry is when an append that has failed is tried again.
	streamRetry = 200 * time.Millisecond
)

// The suffixes of a stream's other keys.
const (
	statusSuffix = ".status"
	stopSuffix   = ".stop"
)

// Stream begins a text as a key of a state topic. Another text of that key is replaced, but
// one that is still being written is CodeConflict. While it is written its text stays,
// whatever the topic's TopicRule.TTL, which counts from then on. A key that ends with .status
// or .stop is CodeBadRequest. The context is for the beginning only.
func (h *Hub) Stream(ctx context.Context, topic, key string) (*Stream, error) {
	s := &Stream{
		hub: h, topic: topic, key: key,
		stopped: make(chan struct{}), ended: make(chan struct{}), arrived: make(chan struct{}, 1),
	}
	s.room = sync.NewCond(&s.mu)
	ctx, cancel := h.deadline(ctx)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if !h.streams.add(s) {
		s.end(streamStatus{"failed", "shutting down"}, CodeDraining)
	}
	h.work.Go(s.run)
	return s, nil
}

// begin listens for the wish to stop, and takes the key: whoever sees the stream can stop it.
func (s *Stream) begin(ctx context.Context) error {
	if s.key == "" || strings.HasSuffix(s.key, statusSuffix) || strings.HasSuffix(s.key, stopSuffix) {
		return NewError(CodeBadRequest, "a stream needs a key that doesn't end with .status or .stop", nil)
	}
	before, err := s.current(ctx)
	if err != nil {
		return err
	}
	if ttl := s.hub.broker.(StateBroker).Rule(s.topic).TTL; ttl > 0 {
		s.lasts = max(ttl, streamLease)
	}
	if _, err := s.hub.broker.Subscribe(ctx, s.topic, (*stopReceiver)(s)); err != nil {
		return err
	}
	if err := s.take(ctx, before); err != nil {
		s.hub.broker.Unsubscribe(s.topic, (*stopReceiver)(s))
		return err
	}
	return nil
}

// take makes the key the stream's, if the status is still as it was before.
func (s *Stream) take(ctx context.Context, before broker.Version) error {
	m := s.change(broker.OpSet, statusSuffix)
	m.Data, m.Encoding, m.TTL = []byte(`{"state":"open"}`), EncodingJSON, streamLease
	m.IfVersion, m.IfAbsent = before, before == broker.Version{}
	s.renewed = time.Now()
	receipt, err := s.hub.Publish(ctx, m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.version = receipt.Version()
	s.heed()
	s.mu.Unlock()
	for _, m := range []Message{s.change(broker.OpDelete, stopSuffix), s.change(broker.OpSet, "")} {
		if _, err := s.hub.Publish(ctx, m); err != nil {
			undo := s.change(broker.OpDelete, statusSuffix)
			undo.IfVersion = s.version
			_, _ = s.hub.Publish(ctx, undo) // else it ends with its lease
			return err
		}
	}
	return nil
}

// current is the version of the status of an earlier stream of this key, if there was one.
func (s *Stream) current(ctx context.Context) (version broker.Version, err error) {
	entries, _, err := s.hub.State(ctx, s.topic)
	if err != nil {
		return version, err
	}
	for _, e := range entries {
		if e.Key != s.key+statusSuffix {
			continue
		}
		var status streamStatus
		if json.Unmarshal(e.Data, &status) == nil && status.State == "open" {
			return version, NewError(CodeConflict, "a stream of this key is still open", nil)
		}
		version = broker.Version{Epoch: e.Epoch, Offset: e.Offset}
	}
	return version, nil
}

func (s *Stream) change(op broker.Op, suffix string) Message {
	m := Message{ID: newID().String(), Topic: s.topic, Key: s.key + suffix, Op: op}
	if suffix == "" {
		m.TTL = s.lasts
	}
	return m
}

// Write adds text, which reaches readers within some tens of milliseconds. What isn't UTF-8
// becomes U+FFFD; a character may be divided between two calls. It waits while the broker
// is far behind. The error is why the stream has failed: CodeTooLarge past the topic's
// TopicRule.MaxValue, CodeDraining after the hub has shut down, CodeConflict if the stream
// was given up because its process had stood still, or CodeUnavailable.
func (s *Stream) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for written := 0; ; {
		for len(s.text) >= maxWaiting && !s.finished {
			s.room.Wait()
		}
		if s.finished {
			return written, s.closedError()
		}
		n := min(len(text)-written, maxWaiting-len(s.text))
		s.text = append(s.text, text[written:written+n]...)
		s.wake()
		if written += n; written == len(text) {
			return written, nil
		}
	}
}

func (s *Stream) closedError() error {
	if s.err != nil {
		return s.err
	}
	return errStreamClosed
}

var errStreamClosed = NewError(CodeBadRequest, "the stream is closed", nil)

// Stopped is closed when a reader has asked the stream to stop; see [Hub.StopStream]. What
// is to be done then is the producer's to decide.
func (s *Stream) Stopped() <-chan struct{} { return s.stopped }

// Close ends the text, and returns when that is stored. Closing again, or after Fail,
// does nothing.
func (s *Stream) Close() error { return s.finish(streamStatus{State: "done"}) }

// Fail ends the text as one that isn't whole, and tells readers why: by the Reason of an
// [Error], else by nothing that could say too much.
func (s *Stream) Fail(err error) error {
	if err == nil {
		err = CodeInternal
	}
	return s.finish(streamStatus{"failed", AsError(err).Reason})
}

func (s *Stream) finish(outcome streamStatus) error {
	s.end(outcome, nil)
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// end has run end, with an error that Write returns from now on.
func (s *Stream) end(outcome streamStatus, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return
	}
	s.finished, s.outcome, s.err = true, outcome, err
	s.room.Broadcast()
	s.wake()
}

// wake is called with s.mu held.
func (s *Stream) wake() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// stopReceiver is a stream that listens for the wish to stop.
type stopReceiver Stream

// Receive is part of [Receiver].
func (r *stopReceiver) Receive(m *Message) {
	if m.Key == r.key+stopSuffix && m.Op == broker.OpSet {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.wish = m.Position
		(*Stream)(r).heed()
	}
}

// heed tells the producer of a wish to stop, unless it came before the stream was there: that
// was for another of this key. Called with s.mu held.
func (s *Stream) heed() {
	if s.heeded || s.wish.IsZero() || s.version == (broker.Version{}) {
		return
	}
	if s.wish.Epoch != s.version.Epoch || s.wish.Offset > s.version.Offset {
		s.heeded = true
		close(s.stopped)
	}
}

// Break is part of [Receiver]. A wish that was lost with the history can be made again.
func (r *stopReceiver) Break(broker.Gap) {}

// StopStream asks the producer of a stream to stop, on whatever instance it is; see
// [Stream.Stopped]. The application calls it for a reader that may.
func (h *Hub) StopStream(ctx context.Context, topic, key string) error {
	_, err := h.Set(ctx, Message{Topic: topic, Key: key + stopSuffix, Data: []byte("true"), Encoding: EncodingJSON, TTL: streamLease})
	return err
}

// streams are those of a hub that are being written.
type streams struct {
	mu     sync.Mutex // guards the rest
	open   map[*Stream]bool
	closed bool
}

// add reports whether there may be new ones.
func (all *streams) add(s *Stream) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.open == nil {
		all.open = map[*Stream]bool{}
	}
	all.open[s] = true
	return !all.closed
}

func (all *streams) remove(s *Stream) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.open, s)
}

// end fails all that are open, because the hub shuts down.
func (all *streams) end() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.closed = true
	for s := range all.open {
		s.end(streamStatus{"failed", "shutting down"}, CodeDraining)
	}
}
