package sse

import (
	"slices"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// cursors are a client's cursors in the topics of its stream, from which the id of each
// event is made.
type cursors []topicCursor

type topicCursor struct {
	topic  string
	cursor string // "" if not known; cursor.Empty after a reset, until the state is told
	state  bool   // it is a state topic
}

// newCursors starts with the topics of a stream. One that is refused for now keeps its
// cursor in the id, so that the client still has it when it comes back.
func newCursors(answers []session.Followed) cursors {
	all := make(cursors, 0, len(answers))
	for _, a := range answers {
		if a.Err == nil || a.Cursor != "" {
			all = append(all, topicCursor{a.Topic, a.Cursor, a.Epoch != 0})
		}
	}
	return all
}

// move notes the cursor that a frame brings.
func (all cursors) move(f *session.Frame) {
	if f.Cursor == "" {
		return
	}
	for i := range all {
		if all[i].topic == f.Topic {
			all[i].cursor = f.Cursor
			return
		}
	}
}

// shares reports whether the frame's bytes are right for this stream as they are: a
// stream of one topic shares all bytes with others of the same topic.
func (all cursors) shares(f *session.Frame) bool {
	return f == heartbeat || len(all) == 0 || len(all) == 1 && f.Cursor != ""
}

// append appends a frame as it is for this stream, with the id of all its topics. Of one
// that is too large to be joined with others it leaves the part that streams share.
func (all cursors) append(b []byte, f *session.Frame) (joined, left []byte) {
	shared := f.Bytes
	if !all.shares(f) {
		b, shared = all.appendID(b), f.Bytes[idLength(f):]
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
func (all cursors) appendID(b []byte) []byte {
	if slices.ContainsFunc(all, func(at topicCursor) bool { return at.cursor == "" && !at.state }) {
		return appendID(b, cursor.Empty)
	}
	separator, reset := "id: ", false
	for _, at := range all {
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
