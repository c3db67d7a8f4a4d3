package client

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Value is the value of a key of a state topic.
type Value struct {
	// Data is shared: nobody may change it.
	Data     []byte
	Encoding push.Encoding
	// Version is for push.Message.IfVersion, to change the key only if it is still this.
	Version broker.Version
}

// State is a live copy of a state topic: a map of keys to values. While the client is
// connected it follows the server's, and may skip values in between; while it isn't, the
// map stays as it was. A key never goes back to an older value, but when the server has lost
// changes: then the map is emptied, and filled again. All methods may be called by any number
// of goroutines.
type State struct {
	sub *Subscription

	mu        sync.Mutex // guards the rest
	values    map[string]Value
	epoch     broker.Epoch // of all versions
	complete  bool
	first     chan struct{} // closed when it is complete for the first time
	listeners []*func(keys []string)
}

// State follows a state topic, as soon as there is a connection, and until the state is
// closed. The errors are those of Subscribe.
func (c *Client) State(topic string) (*State, error) {
	s := &State{values: map[string]Value{}, first: make(chan struct{})}
	s.sub = c.newSubscription(topic)
	s.sub.state = s
	if err := c.follow(s.sub); err != nil {
		return nil, err
	}
	return s, nil
}

// Topic returns the topic.
func (s *State) Topic() string { return s.sub.topic }

// Ready waits until the map is complete for the first time. Its errors are those of
// [Subscription.Ready]; the topic is refused with [push.CodeWrongKind] if it is a log.
func (s *State) Ready(ctx context.Context) error { return s.sub.wait(ctx, s.first) }

// Complete reports whether the map has all keys that the server's had when the client came
// to it, last: it doesn't from a snapshot's beginning to its end.
func (s *State) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete
}

// Get returns the value of a key, and reports whether it is there.
func (s *State) Get(key string) (Value, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return s.versioned(v, ok), ok
}

// versioned completes the version of a value. Called with s.mu held.
func (s *State) versioned(v Value, ok bool) Value {
	if ok {
		v.Version.Epoch = s.epoch
	}
	return v
}

// Version returns the version of a key; zero if it isn't there.
func (s *State) Version(key string) broker.Version {
	v, _ := s.Get(key)
	return v.Version
}

// Len returns how many keys there are.
func (s *State) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

// All returns all keys and values as they are when the iteration begins, in no order.
func (s *State) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		s.mu.Lock()
		values := maps.Clone(s.values)
		epoch := s.epoch
		s.mu.Unlock()
		for key, v := range values {
			v.Version.Epoch = epoch
			if !yield(key, v) {
				return
			}
		}
	}
}

// OnChange calls f after each change of the map, with the keys that may have another value
// now, or none; at the end of a snapshot there may be no keys. Calls come one at a time. Until
// one returns the client reads nothing, so f must not wait for long. No call begins after
// stop has returned, but one may be under way.
func (s *State) OnChange(f func(keys []string)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listener := &f
	s.listeners = append(slices.Clip(s.listeners), listener)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listeners = slices.DeleteFunc(slices.Clone(s.listeners), func(l *func([]string)) bool { return l == listener })
	}
}

// Done is closed when the state isn't followed any more: by Close of it or of the client, or
// since the server refuses the topic or the client for good. The map stays as it was.
func (s *State) Done() <-chan struct{} { return s.sub.ended }

// Err returns why the state has ended: [ErrClosed], or a [push.Error]. It is nil before.
func (s *State) Err() error { return s.sub.queue.failure() }

// Close ends the following of the topic. It doesn't wait for the server.
func (s *State) Close() { s.sub.Close() }

// begin takes the answer that the topic is followed.
func (s *State) begin(a protocol.Answer) {
	s.apply(func() (keys []string) {
		if a.From == protocol.FromSnapshot {
			return s.reset(a.Epoch)
		}
		s.epoch = a.Epoch
		return nil
	})
}

// take applies what a server says of the topic.
func (s *State) take(f *protocol.Frame) {
	s.apply(func() []string {
		switch f.Type {
		case protocol.TypeReset:
			return s.reset(f.State.Epoch)
		case protocol.TypeSynced:
			return s.finish(f.State.Epoch)
		default:
			return s.change(f.State.Changes)
		}
	})
}

// apply changes the map, and calls the listeners if it did: with nil keys it didn't.
func (s *State) apply(change func() (keys []string)) {
	s.mu.Lock()
	keys := change()
	listeners := s.listeners
	s.mu.Unlock()
	if keys == nil {
		return
	}
	for _, listener := range listeners {
		(*listener)(slices.Clone(keys))
	}
}

// reset empties the map. Called with s.mu held, as the next two are.
func (s *State) reset(epoch broker.Epoch) []string {
	keys := slices.Collect(maps.Keys(s.values))
	clear(s.values)
	s.epoch, s.complete = epoch, false
	return keys
}

// finish notes that the map is complete.
func (s *State) finish(epoch broker.Epoch) []string {
	s.epoch = epoch
	if s.complete {
		return nil
	}
	s.complete = true
	select {
	case <-s.first:
	default:
		close(s.first)
	}
	return []string{}
}

// change makes changes, in order.
func (s *State) change(changes []protocol.Change) []string {
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
		if c.Op == broker.OpDelete {
			delete(s.values, c.Key)
			continue
		}
		if c.Op == broker.OpAppend {
			before := s.values[c.Key].Data
			c.Data = slices.Concat(before[:broker.SkipUnits(before, c.Start)], c.Data)
		}
		s.values[c.Key] = Value{Data: c.Data, Encoding: c.Encoding, Version: broker.Version{Offset: c.Version}}
	}
	if len(keys) == 0 {
		return nil
	}
	return keys
}
