package redisbroker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// headOf is where a broker finds a topic.
func headOf(t *testing.T, b *Broker, topic string) broker.Position {
	t.Helper()
	page, err := b.Recent(t.Context(), topic, broker.Limit{})
	must(t, err)
	return page.Head
}

// TestTopicBeginsWhereEverybodyExpectsIt has instances that know nothing of each other.
func TestTopicBeginsWhereEverybodyExpectsIt(t *testing.T) {
	b, client := scripted(t, Options{})
	other := brokerOn(t, client, Options{})
	first := headOf(t, b, "a")
	if at := headOf(t, other, "a"); at != first || first.Epoch == 0 {
		t.Errorf("one is at %+v, the other at %+v", first, at)
	}
	if at := add(t, other, "a", "x"); at.Epoch != first.Epoch || at.Offset != 1 {
		t.Errorf("the first message is at %+v after %+v", at, first)
	}
	// All of the topic goes. An instance that has never seen it takes the topic for one that
	// nobody has published to; one that has seen it does not, and stores that for all.
	meta, stream := b.keys("a")
	must(t, client.Del(t.Context(), meta, stream).Err())
	if at := headOf(t, brokerOn(t, client, Options{}), "a"); at != first {
		t.Errorf("an instance that knows of nothing is at %+v, not %+v", at, first)
	}
	if n := client.Exists(t.Context(), meta).Val(); n != 0 {
		t.Error("a read has stored a head")
	}
	lost := headOf(t, other, "a")
	if lost.Epoch == first.Epoch || lost.Offset != 0 || client.Exists(t.Context(), meta).Val() != 1 {
		t.Errorf("an instance that knows of a message is at %+v, in the epoch that it was in", lost)
	}
	if at := headOf(t, b, "a"); at != lost {
		t.Errorf("one is at %+v, the other at %+v", at, lost)
	}
}

// TestHistoryWithoutItsHeadIsLost has the head go alone, and an instance that knows nothing of
// the topic.
func TestHistoryWithoutItsHeadIsLost(t *testing.T) {
	for name, find := range map[string]func(b *Broker) broker.Position{
		"read":      func(b *Broker) broker.Position { return headOf(t, b, "a") },
		"published": func(b *Broker) broker.Position { return add(t, b, "a", "y") },
	} {
		t.Run(name, func(t *testing.T) {
			b, client := scripted(t, Options{})
			first := add(t, b, "a", "x")
			meta, _ := b.keys("a")
			must(t, client.Del(t.Context(), meta).Err())
			if at := find(brokerOn(t, client, Options{})); at.Epoch == first.Epoch {
				t.Errorf("it is at %+v, in the epoch that has ended", at)
			}
		})
	}
}

// TestFlushedRedisHasAnotherGenesis has an instance that still knows the old one.
func TestFlushedRedisHasAnotherGenesis(t *testing.T) {
	b, client := scripted(t, Options{})
	before := headOf(t, b, "a")
	must(t, client.FlushAll(t.Context()).Err())
	if at := add(t, b, "a", "x"); at.Epoch == before.Epoch {
		t.Errorf("after the flush a message is at %+v", at)
	}
	before = headOf(t, b, "b")
	must(t, client.FlushAll(t.Context()).Err())
	if at := headOf(t, b, "b"); at.Epoch == before.Epoch || at.Offset != 0 {
		t.Errorf("after the flush a topic is at %+v", at)
	}
	must(t, client.Set(t.Context(), b.options.genesisKey(), "foreign", 0).Err())
	if _, err := b.Recent(t.Context(), "c", broker.Limit{}); err == nil {
		t.Error("a foreign genesis is taken")
	}
}

// TestIDsOfALostHistoryAreForgotten has a history begin again in the same epoch, and a
// message of the old one published again.
func TestIDsOfALostHistoryAreForgotten(t *testing.T) {
	b, client := scripted(t, Options{})
	m := push.Message{Topic: "a", ID: "once", Data: []byte("x")}
	first, err := b.Publish(t.Context(), m)
	must(t, err)
	meta, stream := b.keys("a")
	must(t, client.Del(t.Context(), meta, stream).Err())
	other := brokerOn(t, client, Options{})
	if at := add(t, other, "a", "y"); at.Epoch != first.Position.Epoch {
		t.Fatalf("it begins at %+v, not where it did", at)
	}
	again, err := other.Publish(t.Context(), m)
	if err != nil || again.Duplicate || again.Position.Offset != 2 {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestDuplicateExtendsNoWindow looks at the expiry itself. It is written all the same, for
// who waits for a replica.
func TestDuplicateExtendsNoWindow(t *testing.T) {
	b, client := scripted(t, Options{Retry: time.Hour})
	m := push.Message{Topic: "a", ID: "once", Data: []byte("x")}
	_, err := b.Publish(t.Context(), m)
	must(t, err)
	_, _, key := b.options.topicKeys("a", "once")
	const shorter = 30 * time.Minute // as if half of the window were over
	ends := time.Now().Add(shorter)
	must(t, client.HSet(t.Context(), key, "x", ends.UnixMilli()).Err())
	must(t, client.PExpire(t.Context(), key, shorter).Err())
	before := offsetOf(t, client)
	receipt, err := b.Publish(t.Context(), m)
	if err != nil || !receipt.Duplicate {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if left := client.PTTL(t.Context(), key).Val(); left > shorter {
		t.Errorf("%v are left of %v", left, shorter)
	}
	if offsetOf(t, client) == before {
		t.Error("nothing was written")
	}
}

// offsetOf is how much Redis has changed.
func offsetOf(t *testing.T, client *redis.Client) int {
	return info(t, client, "rdb_changes_since_last_save")
}

// info is a number that Redis counts.
func info(t *testing.T, client *redis.Client, name string) int {
	t.Helper()
	for line := range strings.Lines(client.Info(t.Context(), "everything").Val()) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			must(t, err)
			return n
		}
	}
	t.Fatalf("Redis doesn't count %s", name)
	return 0
}

// TestForgedPositionsMoveNothing has a topic of a megabyte asked for from positions that aren't
// real, and from one that is but has too much behind it.
func TestForgedPositionsMoveNothing(t *testing.T) {
	b, client := scripted(t, Options{})
	var positions []broker.Position
	for range 50 {
		positions = append(positions, add(t, b, "a", strings.Repeat("x", 20_000)))
	}
	head, epoch := positions[49], positions[0].Epoch
	replay := broker.Limit{Messages: 1000, Bytes: 500_000, Least: 40}
	tests := map[string]struct {
		after broker.Position
		limit broker.Limit
		gap   broker.GapReason
	}{
		"another tag":                   {broker.Position{Epoch: epoch, Offset: 1, Tag: positions[0].Tag ^ 1}, broker.Limit{}, broker.GapFork},
		"another tag at the beginning":  {broker.Position{Epoch: epoch, Tag: 1}, broker.Limit{}, broker.GapFork},
		"another epoch":                 {broker.Position{Epoch: epoch ^ 1, Offset: 1, Tag: positions[0].Tag}, broker.Limit{}, broker.GapEpoch},
		"beyond the head":               {broker.Position{Epoch: epoch, Offset: 51}, broker.Limit{}, broker.GapFork},
		"real, with too much behind it": {positions[5], replay, ""},
		"the beginning, all too much":   {broker.Position{Epoch: epoch}, replay, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			const reads = 100
			before := info(t, client, "total_net_output_bytes")
			for range reads {
				page, err := b.Since(t.Context(), "a", test.after, test.limit)
				if err != nil || page.Gap != test.gap || len(page.Messages) != 0 || page.Head != head {
					t.Fatalf("%+v, %v", page, err)
				}
			}
			moved := info(t, client, "total_net_output_bytes") - before // with INFO, once
			t.Logf("%d bytes for each", moved/reads)
			if moved > reads*500 {
				t.Errorf("%d bytes for each of %d reads", moved/reads, reads)
			}
		})
	}
	if page, err := b.Since(t.Context(), "a", positions[5], broker.Limit{}); err != nil || len(page.Messages) != 44 {
		t.Errorf("%d messages, %v", len(page.Messages), err)
	}
}

// TestReadsWriteNothing has topics read that are published to, too: a replica isn't told
// of every read.
func TestReadsWriteNothing(t *testing.T) {
	b, client := scripted(t, Options{})
	at := add(t, b, "a", "x")
	headOf(t, b, "made up")
	before := offsetOf(t, client)
	for i := range 100 {
		headOf(t, b, "a")
		headOf(t, b, fmt.Sprint("made up", i))
		_, err := b.Since(t.Context(), "a", at, broker.Limit{})
		must(t, err)
	}
	if after := offsetOf(t, client); after != before {
		t.Errorf("%d changes by reading", after-before)
	}
}
