package poll

import (
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Message encodes a message.
func (t *Transport) Message(m *push.Message) *session.Frame {
	at := protocol.Cursor(m)
	return &session.Frame{Topic: m.Topic, Cursor: at, Bytes: protocol.Message(m, at)}
}

// Gap encodes a gap.
func (t *Transport) Gap(g broker.Gap) *session.Frame {
	at := cursor.Format(g.Topic, g.Now)
	return &session.Frame{Topic: g.Topic, Cursor: at, Bytes: protocol.Gap(g, at)}
}

// State encodes changes of a state topic.
func (t *Transport) State(topic string, changes []session.Change, at broker.Position) *session.Frame {
	moved := protocol.CursorAt(topic, at)
	return &session.Frame{Topic: topic, Cursor: moved, Bytes: protocol.State(topic, changes, moved)}
}

// Synced encodes that a client has the whole of a state topic.
func (t *Transport) Synced(topic string, at broker.Position) *session.Frame {
	moved := protocol.CursorAt(topic, at)
	return &session.Frame{Topic: topic, Cursor: moved, Bytes: protocol.Synced(topic, at.Epoch, moved)}
}

// Reset encodes that a client is to forget what it has of a state topic.
func (t *Transport) Reset(topic string, reason broker.GapReason, epoch broker.Epoch) *session.Frame {
	return &session.Frame{Topic: topic, Bytes: protocol.Reset(topic, reason, epoch)}
}

// Reconnect encodes the request to reconnect elsewhere.
func (t *Transport) Reconnect(afterMS int) *session.Frame {
	return &session.Frame{Bytes: protocol.Reconnect(afterMS)}
}
