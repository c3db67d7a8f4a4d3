package follow

import "testing"

// idleSubscriber is connected.
type idleSubscriber struct{ Subscriber }

// TestOwnUnsubscribeIsNoMove has a topic that was unsubscribed from and is followed again
// before the store has confirmed that.
func TestOwnUnsubscribeIsNoMove(t *testing.T) {
	b := New(&scriptedStore{}, Options{})
	defer b.cancel()
	n, topic := newNode(b, ""), newTopic(b, "a")
	n.subscriber = idleSubscriber{}
	n.add(topic)
	n.takeChanges()
	n.remove(topic)
	n.takeChanges()
	n.add(topic)
	left := Event{Kind: EventUnsubscribed, Channel: topic.channel}
	n.handle(left)
	if moved, _ := n.takeMoved(); len(moved) != 0 {
		t.Errorf("%v have moved", moved)
	}
	n.handle(left)
	if moved, _ := n.takeMoved(); !moved[topic.channel] {
		t.Error("a channel that the store takes away hasn't moved")
	}
}
