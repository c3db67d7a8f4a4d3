package protocol

import (
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// Follow is one topic of a subscribe. Recent is for servers that list [FeatureRecent], and
// State for those that list [FeatureState].
type Follow = session.Follow

// What a server lists that takes Follow.Recent, and Follow.State.
const (
	FeatureRecent = "recent"
	FeatureState  = "state"
)

// Subscribe encodes a client's request to follow topics, for a WebSocket. An id is from 1
// to [MaxRequestID].
func Subscribe(id uint64, topics []Follow) []byte {
	o := append(newFrame(TypeSubscribe).number("id", id).field("topics"), '[')
	for i, t := range topics {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, '{').text("topic", t.Topic)
		if t.State {
			o = o.name("kind", kindState)
		}
		o = o.optional("since", t.Since)
		if t.Recent > 0 {
			o = o.integer("recent", int64(t.Recent))
		}
		o = append(o, '}')
	}
	return append(o, ']').end()
}

// Unsubscribe encodes a client's request to follow topics no longer.
func Unsubscribe(id uint64, topics []string) []byte { return topicList(TypeUnsubscribe, id, topics) }

// Send encodes a client's message: Topic, Event, ID, Data and Encoding of m, whose data is
// what [push.Encoding.Normalize] returned.
func Send(id uint64, m *push.Message) []byte {
	return newFrame(TypeSend).number("id", id).text("topic", m.Topic).optional("event", m.Event).optional("message", m.ID).
		data(m.Data, m.Encoding).end()
}
