package membroker

import (
	"strconv"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

func TestNamedMessagesAreBounded(t *testing.T) {
	n := &namedMessages{byID: map[string]namedMessage{}}
	now := time.Now()
	for i := range maxNamed + 10 {
		n.forget(now.Add(-time.Hour))
		n.add(&push.Message{ID: strconv.Itoa(i), Time: now})
	}
	if len(n.byID) != maxNamed || len(n.order) != maxNamed {
		t.Errorf("%d and %d are remembered", len(n.byID), len(n.order))
	}
	for id, want := range map[string]bool{"9": false, "10": true, strconv.Itoa(maxNamed + 9): true} {
		if first, err := n.find(&push.Message{ID: id}); err != nil || first.Duplicate != want {
			t.Errorf("%s: %+v, %v", id, first, err)
		}
	}
	if !n.forget(now) || len(n.byID) != 0 {
		t.Errorf("%d are left", len(n.byID))
	}
}

// TestContentIsAllThatAMessageSays: messages with one ID are the same if they say
// the same.
func TestContentIsAllThatAMessageSays(t *testing.T) {
	messages := []*push.Message{
		{}, {Encoding: push.EncodingBinary}, {Event: "a"}, {Key: "a"}, {Data: []byte("a")}, {Event: "a", Key: "b"}, {Event: "ab"}, {Key: "ab"},
		{Event: "a", Data: []byte("b")},
		{Key: "a", Op: broker.OpSet}, {Key: "a", Op: broker.OpAppend}, {Key: "a", Op: broker.OpDelete},
	}
	seen := map[uint64]*push.Message{}
	for _, m := range messages {
		content := contentOf(m)
		if other := seen[content]; other != nil {
			t.Errorf("%+v is taken for %+v", m, other)
		}
		seen[content] = m
		again := *m
		again.ID, again.Data = "other", append([]byte{}, m.Data...)
		if contentOf(&again) != content {
			t.Errorf("%+v is not the same again", m)
		}
	}
}
