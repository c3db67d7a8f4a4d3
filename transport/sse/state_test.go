package sse

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// place is a position, and its cursor in topics.
func place(offset uint64) broker.Position {
	return broker.Position{Epoch: 1, Offset: offset, Tag: uint32(offset)}
}

// TestIDStaysUntilTheCursorMoves: during a snapshot the id of a stream is what it was before. After a reset a state has none:
// it is left out, or if that leaves nothing, the id is the cursor of nothing.
func TestIDStaysUntilTheCursorMoves(t *testing.T) {
	transport := New(push.New(membroker.New(), push.Options{}))
	state := func(offset uint64) *session.Frame {
		var at broker.Position
		if offset > 0 {
			at = place(offset)
		}
		return transport.State("s", []session.Change{{Op: broker.OpDelete, Key: "k"}}, at)
	}
	message := transport.Message(&push.Message{Topic: "a", Position: place(9)})
	lost := session.Followed{Topic: "lost", From: session.FromCursor}
	log := session.Followed{Topic: "a", From: session.FromNow, Cursor: cursor.Format("a", place(8))}
	fresh := session.Followed{Topic: "s", From: session.FromSnapshot, Epoch: 1}
	back := session.Followed{Topic: "s", From: session.FromCursor, Cursor: cursor.Format("s", place(3)), Epoch: 1}
	refused := session.Followed{Topic: "r", Cursor: cursor.Format("r", place(2)), Err: push.NewError(push.CodeUnavailable, "", nil)}
	frames := []*session.Frame{state(0), transport.Reset("s", broker.GapEpoch, 1), message, state(0), transport.Synced("s", place(5)), state(0), state(6)}
	for _, test := range []struct {
		name    string
		answers []session.Followed
		want    string // the ids, joined by spaces; - for none
	}{
		{"a new state", []session.Followed{fresh}, "- 1 1 s5 s5 s6"},
		{"a state with a cursor", []session.Followed{back}, "s3 1 1 s5 s5 s6"},
		{"a new state and a log", []session.Followed{fresh, log}, "a8 a8 a9 a9 s5.a9 s5.a9 s6.a9"},
		{"a log and a state with a cursor", []session.Followed{log, back}, "a8.s3 a8 a9 a9 a9.s5 a9.s5 a9.s6"},
		{"a log whose place isn't known", []session.Followed{lost, fresh}, "1 1 1 1 1 1"},
		{"another state that isn't known", []session.Followed{{Topic: "t", Epoch: 1}, back}, "s3 1 1 s5 s5 s6"},
		{"a refused one", []session.Followed{refused, fresh}, "r2 r2 r2 r2.s5 r2.s5 r2.s6"},
	} {
		for _, together := range []bool{false, true} {
			at, stream := newCursors(test.answers), []byte(nil)
			for _, f := range frames {
				if !slices.ContainsFunc(test.answers, func(a session.Followed) bool { return a.Topic == f.Topic }) {
					continue
				}
				at.move(f)
				if shared := at.shared(f); !together && shared != nil {
					stream = append(stream, shared...)
				} else {
					stream, _ = at.append(stream, f)
				}
			}
			if got := ids(t, string(stream)); got != test.want {
				t.Errorf("%s: %s, want %s", test.name, got, test.want)
			}
		}
	}
}

// ids are those of the events of a stream, in short.
func ids(t *testing.T, stream string) string {
	t.Helper()
	names := map[string]string{cursor.Empty: "1"}
	for _, topic := range []string{"a", "s", "r"} {
		for offset := range uint64(10) {
			names[cursor.Format(topic, place(offset))] = topic + string(rune('0'+offset))
		}
	}
	var all []string
	for event := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		first, _, _ := strings.Cut(event, "\n")
		id, has := strings.CutPrefix(first, "id: ")
		if !has {
			all = append(all, "-")
			continue
		}
		parts := strings.Split(id, cursor.Separator)
		for i := range parts {
			if parts[i] = names[parts[i]]; parts[i] == "" {
				t.Errorf("the id of %q", event)
			}
		}
		all = append(all, strings.Join(parts, "."))
	}
	return strings.Join(all, " ")
}

// TestStateEvents: each is a frame of the protocol, as an event of its own name.
func TestStateEvents(t *testing.T) {
	transport := New(push.New(membroker.New(), push.Options{}))
	changes := []session.Change{{Op: broker.OpSet, Key: "k\n", Version: 7, Data: []byte("a\r\nid: 1\n\n")}}
	at := cursor.Format("s", place(7))
	for _, test := range []struct {
		frame              *session.Frame
		cursor, name, want string
	}{
		{transport.State("s", changes, place(7)), at, "state", string(protocol.State("s", changes, at))},
		{transport.State("s", changes, broker.Position{}), "", "state", string(protocol.State("s", changes, ""))},
		{transport.Synced("s", place(7)), at, "synced", string(protocol.Synced("s", 1, at))},
		{transport.Reset("s", broker.GapTrimmed, 1), cursor.Empty, "reset", string(protocol.Reset("s", broker.GapTrimmed, 1))},
	} {
		want := "event: tidewire." + test.name + "\ndata: " + test.want + "\n\n"
		if test.cursor != "" {
			want = "id: " + test.cursor + "\n" + want
		}
		if got := string(test.frame.Bytes); got != want || test.frame.Topic != "s" || test.frame.Cursor != test.cursor {
			t.Errorf("got %q of %q at %q; want %q", got, test.frame.Topic, test.frame.Cursor, want)
		}
	}
}
