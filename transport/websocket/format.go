package websocket

import (
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Message encodes a message as one text frame.
func (t *Transport) Message(m *push.Message) *push.Frame {
	f, json := message(m)
	f.Bytes = AppendFrame(nil, Text, json)
	return f
}

// message encodes a message and makes a frame of it that has no bytes yet.
func message(m *push.Message) (f *push.Frame, json []byte) {
	f = &push.Frame{Topic: m.Topic}
	if !m.Position.IsZero() {
		f.Cursor = push.FormatCursor(m.Topic, m.Position)
	}
	return f, protocol.Message(m, f.Cursor)
}

// Gap encodes a gap as one text frame.
func (t *Transport) Gap(g push.Gap) *push.Frame {
	cursor := push.FormatCursor(g.Topic, g.Now)
	return &push.Frame{Topic: g.Topic, Cursor: cursor, Bytes: AppendFrame(nil, Text, protocol.Gap(g, cursor))}
}

// Reconnect encodes the request to come back elsewhere.
func (t *Transport) Reconnect(afterMS int) *push.Frame { return textFrame(protocol.Reconnect(afterMS)) }

func textFrame(json []byte) *push.Frame {
	return &push.Frame{Bytes: AppendFrame(nil, Text, json)}
}

// format is the wire format of a connection.
func (t *Transport) format(c *Conn) push.Format {
	if c.SharesCompressed() {
		return compressing{t}
	}
	return t
}

// compressing is the format of connections that agreed on compression: each
// message is compressed once, for all of them. What is rare, or said to one client
// alone, isn't compressed.
type compressing struct{ *Transport }

// Message encodes a message as one text frame, compressed if that pays.
func (t compressing) Message(m *push.Message) *push.Frame {
	f, json := message(m)
	if len(json) < compressionThreshold {
		f.Bytes = AppendFrame(nil, Text, json)
	} else {
		f.Bytes = AppendCompressedFrame(nil, Text, json)
	}
	return f
}
