package redisbroker

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redistest"
)

// TestOwnUnsubscribeIsNotATaking has a topic that was left and is followed again
// before Redis has confirmed that it was left.
func TestOwnUnsubscribeIsNotATaking(t *testing.T) {
	b := newBroker(&scriptedPort{}, Options{})
	defer b.cancel()
	l, topic := newLink(b, ""), newTopic(b, "a")
	l.line = &pubsub{}
	l.want(topic)
	l.next()
	l.unwant(topic)
	l.next()
	l.want(topic)
	left := notice{kind: noticeUnsubscribed, channel: topic.channel}
	l.take(left)
	if astray, _ := l.unsettled(); len(astray) != 0 {
		t.Errorf("%v are astray", astray)
	}
	l.take(left)
	if astray, _ := l.unsettled(); !astray[topic.channel] {
		t.Error("a channel that Redis takes away isn't astray")
	}
}

// TestCloseHeedsItsContext has a Redis that is frozen while a line connects to it.
func TestCloseHeedsItsContext(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	must(t, err)
	t.Cleanup(func() { server.Close() })
	client := redis.NewClient(server.Options())
	t.Cleanup(func() { client.Close() })
	b := New(client)
	must(t, server.Freeze())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Subscribe(ctx, "a", &recorder{}); err == nil {
		t.Error("a frozen Redis was subscribed to")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Close(ctx); err == nil {
		t.Error("Close says that nothing is left")
	}
	must(t, server.Thaw())
	b.work.Wait()
	must(t, b.port.close(t.Context()))
}
