package pushtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf16"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// State is a client's copy of a state topic.
type State struct {
	client *Client
	topic  string

	// guarded by client.board
	values   map[string]value
	complete bool
}

type value struct {
	data     []byte
	encoding push.Encoding
}

// State follows a state topic, or returns the copy if the client follows it already, and
// returns when the copy is complete. A refusal fails the test.
func (c *Client) State(topic string) *State {
	c.t.Helper()
	c.board.mu.Lock()
	f := c.find(topic)
	c.board.mu.Unlock()
	if f != nil && f.state != nil {
		return f.state
	}
	s := &State{client: c, topic: topic, values: map[string]value{}}
	if err := c.follow(&followed{topic: topic, state: s}); err != nil {
		c.t.Fatalf("pushtest: %v can't follow the state %q: %v", c, topic, err)
	}
	if !c.board.wait(func() bool { return s.complete || c.ended != nil }) {
		c.t.Fatalf("pushtest: %v doesn't get the whole state %q within %v", c, topic, patience)
	}
	return s
}

// Map returns the keys and values as they are now: text as a string, JSON as
// [encoding/json.Unmarshal] has it, binary data as a []byte. In a bubble of testing/synctest
// it has what was changed before.
func (s *State) Map() map[string]any {
	s.client.t.Helper()
	s.client.must("Map")
	settle(s.client.t)
	s.client.board.mu.Lock()
	defer s.client.board.mu.Unlock()
	all := map[string]any{}
	for key, v := range s.values {
		all[key] = v.decoded()
	}
	return all
}

func (v value) decoded() any {
	var decoded any
	switch {
	case v.encoding == push.EncodingBinary:
		return slices.Clone(v.data)
	case v.encoding == push.EncodingJSON && json.Unmarshal(v.data, &decoded) == nil:
		return decoded
	default:
		return string(v.data)
	}
}

// Expect waits until the keys and values are these: a map, or anything else that is a JSON
// object, whose values are compared as JSON. The client may skip values in between.
func (s *State) Expect(want any) {
	c := s.client
	c.t.Helper()
	c.must("Expect")
	wanted, err := json.Marshal(want)
	if err != nil {
		c.t.Fatalf("pushtest: the state that is wanted isn't JSON: %v", err)
	}
	settle(c.t)
	why := ""
	there := c.board.wait(func() bool {
		why = "  it isn't complete"
		if s.complete {
			why = differsAsJSON(wanted, s.asJSON())
		}
		return why == ""
	})
	if !there {
		c.board.mu.Lock()
		defer c.board.mu.Unlock()
		c.t.Fatalf("pushtest: the state %q of %v isn't what was expected within %v\n  %s\n  want %s\n  got  %s\n%s",
			s.topic, c, patience, why, wanted, s.asJSON(), c.situation())
	}
}

// asJSON is the state as an object. Called with the board locked.
func (s *State) asJSON() []byte {
	all := map[string]any{}
	for key, v := range s.values {
		if all[key] = v.decoded(); v.encoding == push.EncodingJSON {
			all[key] = json.RawMessage(v.data)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Appendf(nil, "%q", err)
	}
	return text
}

// The methods below are called with the board locked.

func (s *State) reset() {
	clear(s.values)
	s.complete = false
}

func (s *State) take(changes []protocol.Change) {
	for _, change := range changes {
		switch change.Op {
		case broker.OpDelete:
			delete(s.values, change.Key)
		case broker.OpAppend:
			s.values[change.Key] = value{data: appended(s.values[change.Key].data, change)}
		default:
			s.values[change.Key] = value{change.Data, change.Encoding}
		}
	}
}

// appended is the first Start UTF-16 units of a text and the change's.
func appended(old []byte, change protocol.Change) []byte {
	units := utf16.Encode([]rune(string(old)))
	kept := string(utf16.Decode(units[:min(change.Start, len(units))]))
	return append([]byte(kept), change.Data...)
}
