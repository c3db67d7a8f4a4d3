package ws

import (
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// The heartbeats: one that a page can see, and one that every library answers.
var (
	visiblePing  = textFrame(protocol.Ping())
	protocolPing = &session.Frame{Bytes: websocket.AppendPing(nil, nil)}
)

func (c *conn) heartbeat() *session.Frame {
	if c.plain() {
		return protocolPing
	}
	return visiblePing
}

// Message encodes a message as one text frame.
func (t *Transport) Message(m *push.Message) *session.Frame {
	f, json := message(m)
	f.Bytes = websocket.AppendFrame(nil, websocket.Text, json)
	return f
}

// message encodes a message and makes a frame of it that has no bytes yet.
func message(m *push.Message) (f *session.Frame, json []byte) {
	f = &session.Frame{Topic: m.Topic, Cursor: protocol.Cursor(m)}
	return f, protocol.Message(m, f.Cursor)
}

// Gap encodes a gap as one text frame.
func (t *Transport) Gap(g broker.Gap) *session.Frame {
	f := &session.Frame{Topic: g.Topic, Cursor: cursor.Format(g.Topic, g.Now)}
	f.Bytes = websocket.AppendFrame(nil, websocket.Text, protocol.Gap(g, f.Cursor))
	return f
}

// State encodes changes of a state topic as one text frame.
func (t *Transport) State(topic string, changes []session.Change, at broker.Position) *session.Frame {
	f, json := state(topic, changes, at)
	f.Bytes = websocket.AppendFrame(nil, websocket.Text, json)
	return f
}

// state encodes changes and makes a frame of them that has no bytes yet.
func state(topic string, changes []session.Change, at broker.Position) (f *session.Frame, json []byte) {
	f = &session.Frame{Topic: topic, Cursor: protocol.CursorAt(topic, at)}
	return f, protocol.State(topic, changes, f.Cursor)
}

// Synced encodes that a client has the whole of a state topic.
func (t *Transport) Synced(topic string, at broker.Position) *session.Frame {
	f := &session.Frame{Topic: topic, Cursor: protocol.CursorAt(topic, at)}
	f.Bytes = websocket.AppendFrame(nil, websocket.Text, protocol.Synced(topic, at.Epoch, f.Cursor))
	return f
}

// Reset encodes that a client is to forget what it has of a state topic.
func (t *Transport) Reset(topic string, reason broker.GapReason, epoch broker.Epoch) *session.Frame {
	f := textFrame(protocol.Reset(topic, reason, epoch))
	f.Topic = topic
	return f
}

// Reconnect encodes the request to come back elsewhere.
func (t *Transport) Reconnect(afterMS int) *session.Frame {
	return textFrame(protocol.Reconnect(afterMS))
}

func textFrame(json []byte) *session.Frame {
	return &session.Frame{Bytes: websocket.AppendFrame(nil, websocket.Text, json)}
}

// format is the wire format of a connection.
func (t *Transport) format(socket *websocket.Conn) session.Format {
	if socket.SharesCompressed() {
		return compressing{t}
	}
	return t
}

// compressionThreshold is the size in bytes of the smallest frame that is compressed.
const compressionThreshold = 256

// compressing is the format of connections that agreed on compression: each
// message is compressed once, for all of them. What is rare, or for one client
// alone, isn't compressed.
type compressing struct{ *Transport }

// Message encodes a message as one text frame, compressed if that makes it smaller.
func (t compressing) Message(m *push.Message) *session.Frame {
	f, json := message(m)
	f.Bytes = compressed(json)
	return f
}

// State encodes changes of a state topic as one text frame, compressed if that makes it
// smaller.
func (t compressing) State(topic string, changes []session.Change, at broker.Position) *session.Frame {
	f, json := state(topic, changes, at)
	f.Bytes = compressed(json)
	return f
}

// compressed is a text frame, compressed unless it is small.
func compressed(json []byte) []byte {
	if len(json) < compressionThreshold {
		return websocket.AppendFrame(nil, websocket.Text, json)
	}
	return websocket.AppendCompressedFrame(nil, websocket.Text, json)
}
