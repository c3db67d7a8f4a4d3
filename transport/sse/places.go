package sse

import (
	"slices"

	"github.com/tidewire/tidewire/push"
)

// places is where a client is in the topics of its stream, from which the id of
// each event is made.
type places []place

type place struct {
	topic  string
	cursor string // "" if not known
}

// newPlaces notes the topics of a stream. One that is refused for now keeps its place
// in the id, so that the client still has it when it comes back.
func newPlaces(answers []push.Followed) places {
	p := make(places, 0, len(answers))
	for _, a := range answers {
		if a.Err == nil || a.Cursor != "" {
			p = append(p, place{a.Topic, a.Cursor})
		}
	}
	return p
}

// move notes where a frame takes the client.
func (p places) move(f *push.Frame) {
	if f.Cursor == "" {
		return
	}
	for i := range p {
		if p[i].topic == f.Topic {
			p[i].cursor = f.Cursor
			return
		}
	}
}

// shares reports whether the frame's bytes are right for this stream as they are: a
// stream of one topic shares all bytes with others of the same topic.
func (p places) shares(f *push.Frame) bool {
	return f == heartbeat || len(p) == 0 || len(p) == 1 && f.Cursor != ""
}

// append appends a frame as it is for this stream, with the id of all its topics. Of one
// that is too large to be joined with others it leaves the part that streams share.
func (p places) append(b []byte, f *push.Frame) (joined, left []byte) {
	shared := f.Bytes
	if !p.shares(f) {
		b, shared = p.appendID(b), f.Bytes[f.Own:]
	}
	if len(b)+len(shared) > joinSize {
		return b, shared
	}
	return append(b, shared...), nil
}

// appendID appends the id line: the joined cursors of all topics. While a place
// isn't known it is the cursor of nothing, since one that lacks a topic would mean
// that the client is new to it, and hide the gap that is still to come.
func (p places) appendID(b []byte) []byte {
	if slices.ContainsFunc(p, func(at place) bool { return at.cursor == "" }) {
		return appendID(b, push.EmptyCursor)
	}
	b = append(b, "id: "...)
	for i, at := range p {
		if i > 0 {
			b = append(b, push.CursorSeparator...)
		}
		b = append(b, at.cursor...)
	}
	return append(b, '\n')
}
