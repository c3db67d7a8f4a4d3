package follow

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// recorder is a receiver that notes offsets, and 0 for a break.
type recorder struct{ got []uint64 }

func (r *recorder) Receive(m *push.Message) { r.got = append(r.got, m.Offset) }
func (r *recorder) Break(broker.Gap)        { r.got = append(r.got, 0) }

// TestMessageOfAnotherBranchIsNotDelivered has an instance that has seen message 3
// acknowledged, and a store that went back to message 2 and gave its offset away.
func TestMessageOfAnotherBranchIsNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &scriptedStore{pages: []push.Page{page(2, 1, 0), page(2, 1, 0)}} // the fence has begun a new epoch
		b := New(store, Options{})
		seen := broker.Position{Epoch: 1, Offset: 3, Tag: 99}
		b.marks.note("a", seen, broker.Position{})
		topic := newTopic(b, "a")
		b.topics["a"], topic.position = topic, at(1, 2)
		r := &recorder{}
		topic.add(r)
		for _, m := range page(1, 3, 4).Messages {
			topic.receive(m)
		}
		synctest.Wait()
		if len(r.got) != 1 || r.got[0] != 0 {
			t.Errorf("got %v, want a break", r.got)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// slowStore doesn't answer yet.
type slowStore struct {
	scriptedStore
	answers chan struct{}
}

func (s *slowStore) Read(ctx context.Context, topic string, q Query, mark HighWater, origin Origin) (push.Page, error) {
	<-s.answers
	return s.scriptedStore.Read(ctx, topic, q, mark, origin)
}

// TestBusyTopicIsReadOnce has messages that come while what is before them is read:
// they follow, and aren't read as well. One more read finds nothing.
func TestBusyTopicIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{scriptedStore{pages: []push.Page{page(1, 3, 4), page(1, 10, 9)}}, make(chan struct{})}
		b := New(store, Options{})
		topic := newTopic(b, "a")
		b.topics["a"], topic.position = topic, at(1, 2)
		r := &recorder{}
		topic.add(r)
		for _, m := range page(1, 4, 9).Messages { // 3 is missing
			topic.receive(m)
			synctest.Wait() // from the first on a read is under way
		}
		close(store.answers)
		synctest.Wait()
		if len(r.got) != 7 || r.got[6] != 9 || len(store.pages) != 0 {
			t.Errorf("got %v", r.got)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestBufferIsBounded has a store that doesn't answer, and a topic that goes on.
func TestBufferIsBounded(t *testing.T) {
	b := New(&scriptedStore{}, Options{})
	defer b.cancel()
	topic := newTopic(b, "a")
	topic.position, topic.repairing = at(1, 2), true
	for offset := range uint64(5000) {
		topic.receive(&push.Message{Position: at(1, offset+4), PreviousTag: uint32(offset + 3), Data: make([]byte, 1000)})
		if len(topic.buffered) > pageLimit.Messages || topic.bufferedSize > pageLimit.Bytes {
			t.Fatalf("%d are buffered, %d bytes", len(topic.buffered), topic.bufferedSize)
		}
	}
}
