package poll

import (
	"slices"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// answer is what the answer to a poll has so far: frames, and for each topic the place after
// them.
type answer struct {
	topics []session.Followed // nil until the topics are answered
	places []place
	frames int
	size   int // of the frames, in bytes
	full   bool
}

// place is where the client is in a topic, with this answer.
type place struct {
	topic  string
	cursor string // empty if it isn't known: then a gap comes, or the whole of a state
	open   bool   // changes of a state have come, and the frame that moves the cursor is still to come
}

// maxSize is about how many bytes of frames are in one answer. One frame always fits, and so
// does what belongs together: the whole of a state, or what has changed at once.
const maxSize = 1 << 20

// newAnswer begins where the client comes from. A topic that is refused for now keeps the
// place that it came with, for the next poll.
func newAnswer(topics []session.Followed) answer {
	a := answer{topics: topics}
	for _, t := range topics {
		if t.Err == nil || t.Cursor != "" {
			a.places = append(a.places, place{topic: t.Topic, cursor: t.Cursor})
		}
	}
	return a
}

// takes reports whether a frame is to be in the answer. Past maxSize none is but those that
// lead to a whole cursor: the gap of a topic whose place isn't known, and the rest of what
// belongs together; what is left follows the cursor, and comes with the next poll.
func (a *answer) takes(f *session.Frame) bool {
	switch at := a.place(f.Topic); {
	case len(f.Bytes) == 0:
		return false
	case f.Topic == "": // a request to reconnect
		if !a.isWhole() {
			return false
		}
	case at == nil:
		return false
	default:
		a.full = a.full || a.size > 0 && a.size+len(f.Bytes) > maxSize
		if a.full && at.cursor != "" && !at.open {
			return false
		}
		said := at.open || at.cursor == "" || !protocol.IsSynced(f.Bytes)
		if at.open = f.Cursor == ""; !at.open {
			at.cursor = f.Cursor
		}
		if !said { // that a client has all is no news to one that had it
			return false
		}
	}
	a.frames++
	a.size += len(f.Bytes)
	return true
}

func (a *answer) place(topic string) *place {
	i := slices.IndexFunc(a.places, func(p place) bool { return p.topic == topic })
	if i < 0 {
		return nil
	}
	return &a.places[i]
}

// isWhole reports whether the place in each topic is known, so that the answer can be given.
func (a *answer) isWhole() bool {
	unknown := func(p place) bool { return p.cursor == "" || p.open }
	return a.topics != nil && !slices.ContainsFunc(a.places, unknown)
}

// cursor is the place after the answer, in all its topics.
func (a *answer) cursor() string {
	cursors := make([]string, len(a.places))
	for i, p := range a.places {
		cursors[i] = p.cursor
	}
	return cursor.Join(cursors)
}
