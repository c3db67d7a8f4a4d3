package faults_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/faults/link"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// F36.
func TestRetryAfterATimeoutIsOneMessage(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	l := startLink(t, server)
	b := newBroker(t, connectAt(t, l.Addr()), redisbroker.Options{})
	f := follow(t, b, "a")
	at := publish(t, b, "a", "before").Position
	check(t, l.Mute())
	m := push.Message{Topic: "a", ID: "once", Data: []byte("once")}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Publish(ctx, m); !errors.Is(err, push.CodeTimeout) {
		t.Fatalf("Publish: %v; want a timeout", err)
	}
	check(t, l.Heal())
	receipt := awaitPublish(t, b, m)
	if !receipt.Duplicate || receipt.Position.Offset != at.Offset+1 {
		t.Errorf("the retry has %+v, after %+v", receipt, at)
	}
	publish(t, b, "a", "after")
	f.await("after")
	f.wantNoGap()
}

// F38: the ID is lost with the message, so the retry stores it; if both have reached the replica, it doesn't.
func TestRetryAfterAFailoverIsOneMessage(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{true, false} {
		t.Run(fmt.Sprint("Lost=", lost), func(t *testing.T) {
			t.Parallel()
			primary := startServer(t)
			replica := startReplica(t, primary)
			l := startLink(t, primary)
			b := newBroker(t, connectAt(t, l.Addr()), redisbroker.Options{})
			publish(t, b, "a", "before")
			check(t, replica.AwaitSync(primary))
			m := push.Message{Topic: "a", ID: "once", Data: []byte("once"), Replicated: !lost}
			if lost {
				check(t, primary.CutReplicas())
			}
			_, err := b.Publish(t.Context(), m)
			check(t, err)
			check(t, primary.Stop(os.Kill))
			check(t, replica.Promote())
			check(t, l.To(replica.Addr()))
			m.Replicated = false // there is no replica any more
			if receipt := awaitPublish(t, b, m); receipt.Duplicate == lost {
				t.Errorf("the retry has %+v", receipt)
			}
			page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 10})
			check(t, err)
			found := 0
			for _, m := range page.Messages {
				if m.ID == "once" {
					found++
				}
			}
			if found != 1 {
				t.Errorf("stored %d times", found)
			}
		})
	}
}

// A message without an ID of the publisher's can't be told from another one, so nothing may send it again: not the
// broker, and not the client below it, whose habit that is.
func TestLostReplyStoresNothingTwice(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		lose func(*link.Link) error
	}{
		{"Reset", (*link.Link).Reset},
		{"Muted", (*link.Link).Mute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			l := startLink(t, server)
			loseReplies(t, connectAt(t, l.Addr()), connect(t, server), []*link.Link{l}, test.lose)
		})
		t.Run(test.name+"OnCluster", func(t *testing.T) {
			t.Parallel()
			c := onCluster(t)
			links := map[string]*link.Link{}
			for _, node := range c.Nodes {
				links[node.Addr()] = startLink(t, node)
			}
			o := c.Options()
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, links[addr].Addr())
			}
			client := closing[*redis.ClusterClient](t)(redis.NewClusterClient(o), nil)
			loseReplies(t, client, c.client, slices.Collect(maps.Values(links)), test.lose)
		})
	}
}

// loseReplies loses the reply to a publish again and again, with the connection, and at once lets the next connection
// work. The observer's connection is another one.
func loseReplies(t *testing.T, client, observer redis.UniversalClient, links []*link.Link, lose func(*link.Link) error) {
	t.Helper()
	b, o := newBroker(t, client, redisbroker.Options{}), newBroker(t, observer, redisbroker.Options{})
	head := func() uint64 {
		t.Helper()
		page, err := o.Recent(t.Context(), "a", broker.Limit{})
		check(t, err)
		return page.Head.Offset
	}
	const rounds = 25
	failed := 0
	for round := range rounds {
		awaitPublish(t, b, push.Message{Topic: "a", ID: fmt.Sprint("good-", round), Data: fmt.Append(nil, "good ", round)})
		before := head()
		for _, l := range links {
			check(t, lose(l))
		}
		outcome := make(chan error, 1)
		go func() { // the loop waits for it
			_, err := b.Publish(context.WithoutCancel(t.Context()), push.Message{Topic: "a", Data: fmt.Append(nil, "perhaps ", round)})
			outcome <- err
		}()
		await(t, "a message that is stored", func() bool { return head() > before })
		for _, l := range links {
			check(t, l.Heal())
		}
		if <-outcome != nil { // the reply may have come through at the last moment
			failed++
		}
	}
	page, err := o.Recent(t.Context(), "a", broker.Limit{Messages: 1000})
	check(t, err)
	seen := map[string]bool{}
	for _, m := range page.Messages {
		if seen[string(m.Data)] {
			t.Errorf("%q is stored twice", m.Data)
		}
		seen[string(m.Data)] = true
	}
	if failed < rounds/2 || len(seen) != 2*rounds {
		t.Errorf("%d of %d publishes failed, %d messages are stored: the replies weren't lost", failed, rounds, len(seen))
	}
}
