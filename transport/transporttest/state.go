package transporttest

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Change is a change of a key in a frame.
type Change struct {
	Key      string          `json:"key"`
	Op       string          `json:"op"`
	Start    int             `json:"start"`
	Version  uint64          `json:"version"`
	Encoding string          `json:"encoding"`
	Data     json.RawMessage `json:"data"`
}

// stateMap is what a client makes of a state topic by its frames, as docs/protocol.md says.
type stateMap struct {
	values   map[string]string // as JSON
	versions map[string]uint64
	epoch    string
	synced   bool
	resets   int
}

func newStateMap() *stateMap {
	return &stateMap{values: map[string]string{}, versions: map[string]uint64{}}
}

func (m *stateMap) clear(epoch string) {
	clear(m.values)
	clear(m.versions)
	m.epoch, m.synced = epoch, false
}

func (m *stateMap) take(t *testing.T, f Frame) {
	t.Helper()
	switch f.Type {
	case protocol.TypeReset:
		m.clear(f.Epoch)
		m.resets++
	case protocol.TypeSynced:
		m.epoch, m.synced = f.Epoch, true
	}
	for _, c := range f.Changes {
		switch {
		case c.Op == "delete":
			delete(m.values, c.Key)
			delete(m.versions, c.Key)
			continue
		case c.Op == "append":
			c.Data = appended(t, m.values[c.Key], c)
		case c.Op != "":
			t.Errorf("an unknown operation: %+v", c)
		}
		if c.Version < m.versions[c.Key] {
			t.Errorf("%s goes back from version %d to %d", c.Key, m.versions[c.Key], c.Version)
		}
		m.values[c.Key], m.versions[c.Key] = string(c.Data)+c.Encoding, c.Version
	}
}

// appended is a value, which is JSON, with a piece of text.
func appended(t *testing.T, value string, c Change) []byte {
	t.Helper()
	var before, piece string
	if value != "" && json.Unmarshal([]byte(value), &before) != nil || json.Unmarshal(c.Data, &piece) != nil {
		t.Fatalf("%s is appended to %s", c.Data, value)
	}
	units := utf16.Encode([]rune(before))
	if c.Start > len(units) {
		t.Fatalf("%s: a piece begins at %d of %d", c.Key, c.Start, len(units))
	}
	text, err := json.Marshal(string(utf16.Decode(units[:c.Start])) + piece)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// state is what the broker has of a topic, in the form of a stateMap.
func (s *site) state(topic string) *stateMap {
	s.t.Helper()
	messages, at, err := s.hub.State(context.Background(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	m := newStateMap()
	place, err := cursor.Parse(at)
	if err != nil {
		s.t.Fatal(err)
	}
	head, _ := place.Position(topic)
	m.epoch = head.Epoch.String()
	for _, message := range messages {
		var f struct{ Data, Encoding json.RawMessage }
		if err := json.Unmarshal(protocol.Message(message, ""), &f); err != nil {
			s.t.Fatal(err)
		}
		m.values[message.Key], m.versions[message.Key] = string(f.Data)+strings.Trim(string(f.Encoding), `"`), message.Offset
	}
	return m
}

// until takes frames of a client until it has what the broker has.
func (s *site) until(c *Client, m *stateMap, topic string) {
	s.t.Helper()
	want := s.state(topic)
	for !m.synced || !maps.Equal(m.values, want.values) || !maps.Equal(m.versions, want.versions) || m.epoch != want.epoch {
		f := s.next(c)
		if f.EventName != "" && strings.HasPrefix(f.Type, protocol.TypeState) && f.EventName != broker.ReservedEventPrefix+f.Type {
			s.t.Errorf("the frame %+v is the event %q", f, f.EventName)
		}
		if f.EventName != "" && !s.byPost && c.Cursor != cursor.Empty && f.EventID != c.Cursor {
			s.t.Errorf("the frame %+v has the id %q, and the client is at %q", f, f.EventID, c.Cursor)
		}
		if f.Type == protocol.TypeGap || f.Type == protocol.TypeError {
			s.t.Fatalf("got %+v", f)
		}
		m.take(s.t, f)
	}
}

// askForStates opens a client of states beside logs. It must be welcomed, and the answers are
// returned.
func (s *site) askForStates(states []string, since string, logs ...string) (*Client, []TopicState) {
	s.t.Helper()
	plain := s.address
	s.address += "?" + url.Values{"state": states}.Encode()
	defer func() { s.address = plain }()
	c, err := s.tryConnect(logs, since)
	if err != nil {
		s.t.Fatal(err)
	}
	f := s.next(c)
	if f.Type != protocol.TypeWelcome || len(f.Topics) != len(states)+len(logs) {
		s.t.Fatalf("first frame is %+v", f)
	}
	return c, f.Topics
}

// change makes changes of the state s/1, each an operation, a key and a value.
func (s *site) change(changes ...string) {
	s.t.Helper()
	for _, change := range changes {
		op, rest, _ := strings.Cut(change, " ")
		key, value, _ := strings.Cut(rest, " ")
		m := push.Message{Topic: "s/1", Key: key, Data: []byte(value)}
		var err error
		switch op {
		case "set":
			_, err = s.hub.Set(context.Background(), m)
		case "json":
			m.Encoding = push.EncodingJSON
			_, err = s.hub.Set(context.Background(), m)
		case "binary":
			m.Encoding = push.EncodingBinary
			_, err = s.hub.Set(context.Background(), m)
		case "append":
			_, err = s.hub.Append(context.Background(), m)
		case "delete":
			_, err = s.hub.Delete(context.Background(), m)
		}
		if err != nil {
			s.t.Fatalf("%s: %v", change, err)
		}
	}
}

// openStates opens a site whose topics s/… are states.
func openStates(t *testing.T, h Harness, rule push.TopicRule) *site {
	t.Helper()
	rule.Pattern, rule.State = "s/{name}", true
	return openOn(t, h, membroker.New(membroker.Options{Topics: []push.TopicRule{rule}}), push.Options{})
}

// testStates follows a state beside a log: from a snapshot, with changes, and when it comes
// back with its cursor.
func testStates(t *testing.T, h Harness) {
	s := openStates(t, h, push.TopicRule{})
	if _, able := s.transport.(session.StateFormat); !able {
		t.Skip("the transport has no states")
	}
	s.change("set text a\ufeff\r\n\u2028😀", `json json {"px":1.50,"deep":[[{}]]}`, "json null null", "binary bytes \xff\x00", "set empty", "append log ab😀")
	c, answers := s.askForStates([]string{"s/1", "s/2"}, "", "a")
	epoch := s.state("s/1").epoch
	for _, answer := range answers {
		if answer.Topic == "a" && (answer.Kind != "" || answer.Epoch != "") || answer.Topic == "s/1" && (answer.Kind != "state" || answer.Epoch != epoch || answer.From != "snapshot" || answer.Cursor != "") {
			t.Errorf("the answer is %+v", answer)
		}
	}
	mine, empty := newStateMap(), newStateMap()
	mine.epoch = epoch
	for !mine.synced || !empty.synced { // of the two, in any order
		if f := s.next(c); f.Topic == "s/2" {
			empty.take(t, f)
		} else {
			mine.take(t, f)
		}
	}
	if len(empty.values) != 0 {
		t.Errorf("the state of nothing has %v", empty.values)
	}
	s.until(c, mine, "s/1")
	s.change("set text new", "append log c", "append log 😀d", "delete null", "append fresh x", "delete json")
	s.publish("a", "beside")
	s.until(c, mine, "s/1")
	since := c.Cursor
	c.Close()

	s.change("set text newer", "delete bytes", "append log e", "set json back")
	for f := range 2 { // it may come twice
		c, answers = s.askForStates([]string{"s/1"}, since, "a")
		if answers[len(answers)-1].From != "cursor" || mine.resets > 0 {
			t.Errorf("it comes back for the %d. time: %+v, %d resets", f+1, answers, mine.resets)
		}
		s.until(c, mine, "s/1")
		c.Close()
	}
}

// testStateResets comes with a place that isn't real: all keys are told again.
func testStateResets(t *testing.T, h Harness) {
	s := openStates(t, h, push.TopicRule{History: broker.History{Messages: 2}})
	if _, able := s.transport.(session.StateFormat); !able {
		t.Skip("the transport has no states")
	}
	s.change("set a 1", "set b 2")
	old, _ := s.askForStates([]string{"s/1"}, "")
	mine := newStateMap()
	mine.epoch = s.state("s/1").epoch
	s.until(old, mine, "s/1")
	trimmed := old.Cursor
	old.Close()
	s.change("delete a", "set c 3", "set d 4", "set c 5")
	another := broker.Position{Epoch: 77, Offset: 3, Tag: 9}
	for since, reason := range map[string]string{
		trimmed:                       "trimmed",
		cursor.Format("s/1", another): "epoch",
		"broken":                      "unknown_cursor",
	} {
		c, answers := s.askForStates([]string{"s/1"}, since)
		if answers[0].Kind != "state" {
			t.Errorf("%s: the answer is %+v", reason, answers)
		}
		f := s.next(c)
		if f.Type != protocol.TypeReset || f.Topic != "s/1" || f.Reason != reason {
			t.Fatalf("%s: got %+v", reason, f)
		}
		mine.take(t, f)
		s.until(c, mine, "s/1")
		c.Close()
	}
}

// testWrongKind asks for a state as a log, and for a log as a state.
func testWrongKind(t *testing.T, h Harness) {
	s := openStates(t, h, push.TopicRule{})
	_, answers := s.askForStates([]string{"b"}, "", "a", "s/1")
	for _, answer := range answers {
		if (answer.Error == nil) != (answer.Topic == "a") || answer.Error != nil && answer.Error.Code != string(push.CodeWrongKind) {
			t.Errorf("the answer is %+v", answer)
		}
	}
}
