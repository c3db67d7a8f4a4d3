package sse

import (
	"slices"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// cursors are a client's cursors in the topics of its stream, from which the id of each
// event is made.
type cursors struct {
	topics []topicCursor
	noIDs  bool // no event has an id: the client reads what a frame says
}

type topicCursor struct {
	topic  string
	cursor string // "" if not known; cursor.Empty after a reset, until the state is told
	state  bool   // it is a state topic
}

// newCursors starts with the topics of a stream. One that is refused for now keeps its
// cursor in the id, so that the client still has it when it comes back.
func newCursors(answers []session.Followed) cursors {
	all := make([]topicCursor, 0, len(answers))
	for _, a := range answers {
		if a.Err == nil || a.Cursor != "" {
			all = append(all, topicCursor{a.Topic, a.Cursor, a.Epoch != 0})
		}
	}
	return cursors{topics: all}
}

// move notes the cursor that a frame brings.
func (c *cursors) move(f *session.Frame) {
	if f.Cursor == "" {
		return
	}
	for i := range c.topics {
		if c.topics[i].topic == f.Topic {
			c.topics[i].cursor = f.Cursor
			return
		}
	}
}

// shared returns what of a frame's bytes is right for this stream and needs nothing before
// it; nil if the stream has an id of its own. A stream of one topic shares all bytes with
// others of the same topic.
func (c *cursors) shared(f *session.Frame) []byte {
	switch {
	case c.noIDs:
		return f.Bytes[idLength(f):]
	case f == heartbeat, len(c.topics) == 0, len(c.topics) == 1 && f.Cursor != "":
		return f.Bytes
	default:
		return nil
	}
}

// append appends a frame as it is for this stream, with the id of all its topics. Of one
// that is too large to be joined with others it leaves the part that streams share.
func (c *cursors) append(b []byte, f *session.Frame) (joined, left []byte) {
	shared := c.shared(f)
	if shared == nil {
		b, shared = c.appendID(b), f.Bytes[idLength(f):]
	}
	if len(b)+len(shared) > joinSize {
		return b, shared
	}
	return append(b, shared...), nil
}

// appendID appends the id line: the joined cursors of all topics. While that of a log isn't
// known it is the cursor of nothing, since one that lacks a topic would mean that the client
// is new to it, and hide the gap that is still to come. A state whose cursor isn't known is
// left out, since a client that is new to it begins with all its keys. If that leaves none,
// there is no id, and the client keeps what it has; after a reset that isn't good any more,
// and the id is the cursor of nothing.
func (c *cursors) appendID(b []byte) []byte {
	if slices.ContainsFunc(c.topics, func(at topicCursor) bool { return at.cursor == "" && !at.state }) {
		return appendID(b, cursor.Empty)
	}
	separator, reset := "id: ", false
	for _, at := range c.topics {
		reset = reset || at.cursor == cursor.Empty
		if at.cursor == "" || at.cursor == cursor.Empty {
			continue
		}
		b = append(append(b, separator...), at.cursor...)
		separator = cursor.Separator
	}
	switch {
	case separator == cursor.Separator:
		return append(b, '\n')
	case reset:
		return appendID(b, cursor.Empty)
	default:
		return b
	}
}
