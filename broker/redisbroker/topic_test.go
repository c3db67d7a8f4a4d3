package redisbroker

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/push"
)

// recorder is a receiver that notes offsets, and 0 for a break.
type recorder struct{ got []uint64 }

func (r *recorder) Receive(m *push.Message) { r.got = append(r.got, m.Offset) }
func (r *recorder) Break(push.Gap)          { r.got = append(r.got, 0) }

// TestMessageOfAnotherBranchIsNotDelivered has an instance that has seen message 3
// acknowledged, and a Redis that went back to message 2 and gave its offset away.
func TestMessageOfAnotherBranchIsNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := &scriptedPort{pages: []push.Page{page(2, 1, 0), page(2, 1, 0)}} // the fence has begun a new epoch
		b := newBroker(redis, Options{})
		seen := push.Position{Epoch: 1, Offset: 3, Tag: 99}
		b.witnesses.note("a", seen, push.Position{})
		topic := newTopic(b, "a")
		b.topics["a"], topic.place = topic, at(1, 2)
		r := &recorder{}
		topic.add(r)
		for _, m := range page(1, 3, 4).Messages {
			topic.take(m)
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

func (*scriptedPort) close(context.Context) error { return nil }

// slowPort doesn't answer yet.
type slowPort struct {
	scriptedPort
	answers chan struct{}
}

func (p *slowPort) read(ctx context.Context, topic string, q query, w witness, o origin) (push.Page, error) {
	<-p.answers
	return p.scriptedPort.read(ctx, topic, q, w, o)
}

// TestBusyTopicIsReadOnce has messages that come while what is before them is read:
// they follow, and aren't read as well. One more read finds nothing.
func TestBusyTopicIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := &slowPort{scriptedPort{pages: []push.Page{page(1, 3, 4), page(1, 10, 9)}}, make(chan struct{})}
		b := newBroker(redis, Options{})
		topic := newTopic(b, "a")
		b.topics["a"], topic.place = topic, at(1, 2)
		r := &recorder{}
		topic.add(r)
		for _, m := range page(1, 4, 9).Messages { // 3 is missing
			topic.take(m)
			synctest.Wait() // from the first on a read is under way
		}
		close(redis.answers)
		synctest.Wait()
		if len(r.got) != 7 || r.got[6] != 9 || len(redis.pages) != 0 {
			t.Errorf("got %v", r.got)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestHeldMessagesAreBounded has a Redis that doesn't answer, and a topic that goes on.
func TestHeldMessagesAreBounded(t *testing.T) {
	b := newBroker(&scriptedPort{}, Options{})
	defer b.cancel()
	topic := newTopic(b, "a")
	topic.place, topic.repairing = at(1, 2), true
	for offset := range uint64(5000) {
		topic.take(&push.Message{Position: at(1, offset+4), PreviousTag: uint32(offset + 3), Data: make([]byte, 1000)})
		if len(topic.held) > pageLimit.Messages || topic.heldSize > pageLimit.Bytes {
			t.Fatalf("%d are held, %d bytes", len(topic.held), topic.heldSize)
		}
	}
}
