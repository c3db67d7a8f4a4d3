package sse

import (
	"bytes"
	"encoding/base64"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// raw is the format of streams whose data is the payload itself, for pages that swap
// fragments of HTML. Only messages differ: what else a stream says is the same in both
// formats. The sessions of one transport have equal formats, so that they share frames.
type raw struct{ *Transport }

var errFormat = push.NewError(push.CodeBadRequest, "format may be given once, and only as format=raw: then data is "+
	"the payload itself; without it data is a frame of JSON", nil)

var errRawState = push.NewError(push.CodeBadRequest, "format=raw has no states, whose changes are frames; leave out state or format", nil)

// format returns the format that a client asks for.
func (t *Transport) format(list protocol.TopicList) (session.Format, *push.Error) {
	switch formats := list.Formats(); {
	case len(formats) == 0:
		return t, nil
	case len(formats) > 1 || formats[0] != protocol.FormatRaw:
		return nil, errFormat
	case list.HasStates():
		return nil, errRawState
	default:
		return raw{t}, nil
	}
}

// Message encodes a message as an event of its own name, whose data is the payload: text
// and JSON as they are, and anything else as base64 (RFC 4648 section 4).
func (raw) Message(m *push.Message) *session.Frame {
	cursor, data := protocol.Cursor(m), m.Data
	if m.Encoding == push.EncodingBinary {
		data = base64.StdEncoding.AppendEncode(nil, data)
	}
	lines := 1 + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r"))
	b := appendHead(make([]byte, 0, eventSize(cursor, m.Event)+len(data)+lines*len("data: \n")), cursor, m.Event)
	return &session.Frame{Topic: m.Topic, Cursor: cursor, Bytes: append(appendLines(b, data), '\n')}
}

// appendLines appends data as an event stream has it: a field for each line, where CR, LF
// and CRLF end a line (WHATWG HTML, "Parsing an event stream"). A parser takes the space
// after the colon away, so one that begins the line stays. It joins the lines by LF, and
// an end of data that has no line break stays without one.
func appendLines(b, data []byte) []byte {
	for {
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			return appendField(b, "data", data)
		}
		b = appendField(b, "data", data[:end])
		if bytes.HasPrefix(data[end:], []byte("\r\n")) {
			end++
		}
		data = data[end+1:]
	}
}
