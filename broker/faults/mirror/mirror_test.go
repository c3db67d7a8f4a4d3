package mirror_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/faults/mirror"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/protocol"
)

func TestMain(m *testing.M) { testaid.Main(m) }

const topic = "state/a"

func at(epoch broker.Epoch, offset uint64) string {
	return cursor.Format(topic, broker.Position{Epoch: epoch, Offset: offset, Tag: uint32(offset)})
}

func set(key string, version uint64, data string) protocol.Change {
	return protocol.Change{Op: broker.OpSet, Key: key, Version: version, Data: []byte(data)}
}

func appended(version uint64, start int, data string) protocol.Change {
	return protocol.Change{Op: broker.OpAppend, Key: "k", Version: version, Start: start, Data: []byte(data)}
}

// script is what a map is told, after a snapshot in which k is v of version 3.
type script struct{ *mirror.Map }

func (s script) state(moves string, changes ...protocol.Change) {
	f := protocol.Frame{Type: protocol.TypeState, State: protocol.StateFrame{Topic: topic, Changes: changes}}
	if moves != "" {
		f.At = moves[cursor.Constant:]
	}
	s.Take(&f)
}

func (s script) begin(from string, epoch broker.Epoch, at string) {
	s.Begin(protocol.Answer{Topic: topic, From: from, Epoch: epoch, Cursor: at})
}

func (s script) synced(epoch broker.Epoch, at string) {
	s.Take(&protocol.Frame{Type: protocol.TypeSynced, State: protocol.StateFrame{Topic: topic, Epoch: epoch}, Cursor: at})
}

func (s script) reset(epoch broker.Epoch) {
	s.Take(&protocol.Frame{Type: protocol.TypeReset, State: protocol.StateFrame{Topic: topic, Epoch: epoch}})
}

var deletes = protocol.Change{Op: broker.OpDelete, Key: "k"}

func TestMap(t *testing.T) {
	tests := []struct {
		name string
		run  func(s script)
		want string // what is wrong; "" if nothing is
		has  string // the value of k in the end
	}{
		{"a newer value", func(s script) { s.state(at(1, 4), set("k", 4, "w")) }, "", "w"},
		{"an older value", func(s script) { s.state(at(1, 4), set("k", 2, "w")) }, "goes back from version 3", "w"},
		{"an older value after a delete", func(s script) { s.state("", deletes, set("k", 3, "v")) }, "deleted: true", "v"},
		{"an older value in another snapshot", func(s script) {
			s.begin(protocol.FromSnapshot, 1, "")
			s.state("", set("k", 2, "u"))
		}, "goes back from version 3", "u"},
		{"an older value after a reset", func(s script) {
			s.reset(1)
			s.state("", set("k", 2, "u"))
			s.synced(1, at(1, 2))
		}, "", "u"},
		{"the same again", func(s script) {
			s.begin("cursor", 1, at(1, 3))
			s.state(at(1, 4), set("k", 4, "w"))
			s.state(at(1, 4), set("k", 4, "w"))
		}, "", "w"},
		{"a piece", func(s script) { s.state(at(1, 4), appended(4, 1, "w")) }, "", "vw"},
		{"a piece without the one before", func(s script) { s.state(at(1, 5), appended(5, 2, "x")) }, "is to go on after 2", "vx"},
		{"a cursor that goes back", func(s script) { s.state(at(1, 2)) }, "the cursor goes back", "v"},
		{"a cursor in a snapshot", func(s script) {
			s.reset(1)
			s.state(at(1, 4), set("k", 4, "w"))
		}, "isn't known to be good", "w"},
		{"another place than its own", func(s script) { s.begin("cursor", 1, at(1, 4)) }, "was taken to be at", "v"},
		{"another epoch without a reset", func(s script) {
			s.begin("cursor", 2, at(1, 3))
			s.state("", set("k", 4, "w"))
		}, "came before the reset", "w"},
		{"another epoch at the end of a snapshot", func(s script) { s.synced(2, at(2, 3)) }, "the epoch is", "v"},
		{"what the judge forbids", func(s script) { s.state("", set("k", 4, "bad")) }, "bad came after v", "bad"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := script{mirror.New(topic)}
			s.Judge = func(_ string, before, now []byte) string {
				if string(now) != "bad" {
					return ""
				}
				return string(now) + " came after " + string(before)
			}
			s.begin(protocol.FromSnapshot, 1, "")
			s.state("", set("k", 3, "v"))
			s.synced(1, at(1, 3))
			test.run(s)
			wrong := strings.Join(s.Wrong(), "; ")
			if (wrong == "") != (test.want == "") || !strings.Contains(wrong, test.want) {
				t.Errorf("found %q, want %q", wrong, test.want)
			}
			if got, _ := s.Get("k"); got != test.has {
				t.Errorf("k is %q, want %q", got, test.has)
			}
		})
	}
}

func TestDiffers(t *testing.T) {
	entry := func(key, data string) *push.Message { return &push.Message{Key: key, Data: []byte(data)} }
	s := script{mirror.New(topic)}
	s.begin(protocol.FromSnapshot, 1, "")
	s.state("", set("k", 3, "v"), set("l", 4, "w"))
	if got := s.Differs(nil); !strings.Contains(got, "isn't complete") {
		t.Errorf("before synced: %q", got)
	}
	s.synced(1, at(1, 4))
	for want, entries := range map[string][]*push.Message{
		"":              {entry("l", "w"), entry("k", "v")},
		"m isn't there": {entry("k", "v"), entry("l", "w"), entry("m", "x")},
		"k is":          {entry("k", "u"), entry("l", "w")},
		"l is there":    {entry("k", "v")},
	} {
		if got := s.Differs(entries); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	s.Forget()
	if s.Cursor() != "" {
		t.Error("it has a cursor")
	}
}
