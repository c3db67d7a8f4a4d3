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

// Reconnect encodes the request to reconnect elsewhere.
func (t *Transport) Reconnect(afterMS int) *session.Frame {
	return &session.Frame{Bytes: protocol.Reconnect(afterMS)}
}
