package brokertest

import (
	"errors"
	"maps"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// mirror is a receiver that keeps the keys of a state as a hub does: it begins with the
// state, makes each change, and loads the state again where the chain is broken.
type mirror struct {
	*collector
	b     push.StateBroker
	topic string
	at    broker.Position
	keys  map[string]string // the values
}

// follow makes a mirror of a topic.
func follow(t testing.TB, b push.StateBroker, topic string) *mirror {
	t.Helper()
	m := &mirror{b: b, topic: topic}
	m.collector, m.at = subscribe(t, b, topic)
	page := stateOf(t, b, topic)
	m.load(page, m.at)
	return m
}

// load takes the keys of a page, and leaves out what had come before it.
func (m *mirror) load(page push.Page, at broker.Position) {
	m.keys = values(page)
	for at.Epoch == page.Head.Epoch && at.Offset < page.Head.Offset {
		if e := m.event(&at); e.message == nil {
			m.t.Fatalf("unexpected gap %+v", e.gap)
		}
	}
	m.at = at
}

// change waits for the next change, and makes it.
func (m *mirror) change() *push.Message {
	m.t.Helper()
	e := m.event(&m.at)
	if e.message == nil {
		m.t.Fatalf("unexpected gap %+v", e.gap)
	}
	m.apply(e.message)
	return e.message
}

// want waits for the next change, which must be this one.
func (m *mirror) want(op broker.Op, key, data string) *push.Message {
	m.t.Helper()
	c := m.change()
	if c.Op != op || c.Key != key || string(c.Data) != data {
		m.t.Fatalf("%s of %q to %q came; want %s of %q to %q", c.Op, c.Key, c.Data, op, key, data)
	}
	return c
}

// until makes changes up to one of this key.
func (m *mirror) until(key string) {
	m.t.Helper()
	for next := ""; next != key; {
		next = m.change().Key
	}
}

// apply makes a change. An append must begin where the value ends.
func (m *mirror) apply(c *push.Message) {
	m.t.Helper()
	old := m.keys[c.Key]
	switch c.Op {
	case broker.OpSet:
		m.keys[c.Key] = string(c.Data)
	case broker.OpAppend:
		if c.Start != broker.Units([]byte(old)) {
			m.t.Fatalf("%q is appended at %d to %q", c.Data, c.Start, old)
		}
		m.keys[c.Key] = old + string(c.Data)
	case broker.OpDelete: // of a key that was due already when the state was read, perhaps
		delete(m.keys, c.Key)
	default:
		m.t.Fatalf("%s came: %+v", c.Op, c)
	}
}

// reach makes changes until the mirror is at a position, through gaps too.
func (m *mirror) reach(head broker.Position) (gaps []broker.Gap) {
	m.t.Helper()
	for m.at != head {
		e := m.event(&m.at)
		if e.message != nil {
			m.apply(e.message)
			continue
		}
		gaps = append(gaps, e.gap)
		var page push.Page
		testaid.Eventually(m.t, "the state after a gap", func() bool {
			var err error
			page, err = m.b.State(m.t.Context(), m.topic)
			return err == nil && (page.Head.Epoch != m.at.Epoch || page.Head.Reaches(m.at))
		})
		m.load(page, m.at)
	}
	return gaps
}

// wantState fails unless the mirror is what each instance says that the state is.
func (m *mirror) wantState(brokers ...push.Broker) {
	m.t.Helper()
	for i, b := range brokers {
		page := stateOf(m.t, b, m.topic)
		if got := values(page); page.Head != m.at || !maps.Equal(got, m.keys) {
			m.t.Fatalf("by instance %d the state is %v at %+v, by its changes %v at %+v", i, got, page.Head, m.keys, m.at)
		}
	}
}

// stateOf reads a state, whose entries must be in order and what entries are.
func stateOf(t testing.TB, b push.Broker, topic string) push.Page {
	t.Helper()
	page, err := b.(push.StateBroker).State(t.Context(), topic)
	if err != nil {
		t.Fatalf("State: %v", err)
	}
	if err := checkEntries(topic, page); err != nil {
		t.Fatalf("%v: %+v", err, page)
	}
	return page
}

func checkEntries(topic string, page push.Page) error {
	var last uint64
	for _, m := range page.Messages {
		switch {
		case m.Op != broker.OpSet, m.Topic != topic, m.Key == "", m.Named, m.Time.IsZero():
			return errors.New("an entry isn't one")
		case m.Epoch != page.Head.Epoch, m.Offset > page.Head.Offset:
			return errors.New("an entry is of another history")
		case m.Offset < last, m.Offset > 0 && m.Offset == last:
			return errors.New("the entries aren't in order")
		}
		last = m.Offset
	}
	return nil
}

// values are those of a page, by their keys.
func values(page push.Page) map[string]string {
	all := map[string]string{}
	for _, m := range page.Messages {
		all[m.Key] = string(m.Data)
	}
	return all
}

// version is that of a key, which must be there.
func version(t testing.TB, b push.Broker, topic, key string) broker.Version {
	t.Helper()
	for _, m := range stateOf(t, b, topic).Messages {
		if m.Key == key {
			return broker.Version{Epoch: m.Epoch, Offset: m.Offset}
		}
	}
	t.Fatalf("there is no %q in %q", key, topic)
	return broker.Version{}
}
