package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// scripted is a broker on a real Redis, and a client to tamper with its keys.
func scripted(t *testing.T, o Options) (*Broker, *redis.Client) {
	t.Helper()
	_, client := startServer(t)
	return brokerOn(t, client, o), client
}

// startServer starts a redis-server that ends with the test, and makes a client of it.
func startServer(t *testing.T, args ...string) (*redistest.Server, *redis.Client) {
	t.Helper()
	server, err := redistest.Start(t.TempDir(), args...)
	must(t, err)
	t.Cleanup(func() { server.Close() })
	client := redis.NewClient(server.Options())
	t.Cleanup(func() { client.Close() })
	return server, client
}

func brokerOn(t *testing.T, client redis.UniversalClient, o Options) *Broker {
	t.Helper()
	b := New(client, o)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func add(t *testing.T, b *Broker, topic, data string) broker.Position {
	t.Helper()
	receipt, err := b.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Position
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullRedisTakesNothingNew has topics that begin while Redis is full. They can be
// read all the same, which stores nothing.
func TestFullRedisTakesNothingNew(t *testing.T) {
	b, client := scripted(t, Options{})
	add(t, b, "old", "1")
	must(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	for i := range 3 {
		topic := fmt.Sprint("new", i)
		if _, err := b.Publish(t.Context(), push.Message{Topic: topic}); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("Publish: %v", err)
		}
		if _, err := b.Recent(t.Context(), topic, broker.Limit{Messages: 1}); err != nil {
			t.Errorf("Recent: %v", err)
		}
	}
	if n := client.DBSize(t.Context()).Val(); n != 3 { // the old topic's two, and the genesis
		t.Errorf("%d keys", n)
	}
}

// TestPagesHaveNoHolesWhenTheClockWasSetBack has a message whose time is before that
// of the ones around it, so that it alone looks too old.
func TestPagesHaveNoHolesWhenTheClockWasSetBack(t *testing.T) {
	b, client := scripted(t, Options{})
	start, err := b.Recent(t.Context(), "a", broker.Limit{})
	must(t, err)
	meta, stream := b.keys("a")
	body := encodeBody(&push.Message{ID: "i", Data: []byte("x")})
	for i := range 6 {
		at := time.Now()
		if i == 2 || i == 3 {
			at = at.Add(-time.Hour)
		}
		must(t, client.XAdd(t.Context(), &redis.XAddArgs{
			Stream: stream, ID: fmt.Sprint(i+1, "-0"),
			Values: []any{"t", formatTag(uint32(i + 1)), "p", formatTag(uint32(i)), "m", at.UnixMilli(), "c", i, "b", body},
		}).Err())
	}
	must(t, client.HSet(t.Context(), meta, "e", start.Head.Epoch.String(), "o", 6, "t", formatTag(6)).Err())
	b = brokerOn(t, client, Options{}) // one that hasn't seen the topic before
	recent, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 10})
	must(t, err)
	since, err := b.Since(t.Context(), "a", broker.Position{Epoch: start.Head.Epoch, Offset: 1, Tag: 1}, broker.Limit{})
	must(t, err)
	for name, page := range map[string]push.Page{"Recent": recent, "Since": since} {
		if len(page.Messages) == 0 {
			t.Errorf("%s is empty: %+v", name, page)
		}
		for i, m := range page.Messages {
			if want := 7 - len(page.Messages) + i; m.Offset != uint64(want) {
				t.Errorf("%s has %d in place %d of %d", name, m.Offset, i, len(page.Messages))
			}
		}
	}
}

func TestLongTrimmingIsSpread(t *testing.T) {
	b, client := scripted(t, Options{})
	for range 300 {
		add(t, b, "a", "x")
	}
	_, stream := b.keys("a")
	length := func() int64 { return client.XLen(t.Context(), stream).Val() }
	short := brokerOn(t, client, Options{History: broker.History{Bytes: 1}})
	add(t, short, "a", "x")
	if n := length(); n != 201 {
		t.Errorf("%d are left after one message", n)
	}
	for range 3 {
		add(t, short, "a", "x")
	}
	if n := length(); n > 4 {
		t.Errorf("%d are left after four messages", n)
	}
}

func TestShorterKeepEndsNoTopicOfAnother(t *testing.T) {
	long, client := scripted(t, Options{})
	short := brokerOn(t, client, Options{Keep: time.Minute})
	for _, order := range [][]*Broker{{long, short}, {short, long}} {
		topic := fmt.Sprint("begun by ", order[0].options.Keep)
		add(t, order[0], topic, "x")
		add(t, order[1], topic, "x")
		_, err := short.Recent(t.Context(), topic, broker.Limit{})
		must(t, err)
		meta, _ := long.keys(topic)
		if left := client.PTTL(t.Context(), meta).Val(); left < 24*time.Hour || left > 48*time.Hour {
			t.Errorf("%s: %v are left of two days", topic, left)
		}
	}
}

func TestRecentOfVeryMany(t *testing.T) {
	b, _ := scripted(t, Options{})
	add(t, b, "a", "x")
	page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: math.MaxInt})
	if err != nil || len(page.Messages) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestForeignKeyIsOneTopicsTrouble has a key of another type where a topic's head was.
func TestForeignKeyIsOneTopicsTrouble(t *testing.T) {
	b, client := scripted(t, Options{Check: 50 * time.Millisecond})
	poisoned, good := &recorder{}, &signal{at: make(chan uint64, 10)}
	add(t, b, "poisoned", "x")
	for topic, r := range map[string]push.Receiver{"poisoned": poisoned, "good": good} {
		_, err := b.Subscribe(t.Context(), topic, r)
		must(t, err)
	}
	meta, _ := b.keys("poisoned")
	must(t, client.Set(t.Context(), meta, "x", 0).Err())
	// A message that nobody hears: only the check can find it.
	addElsewhere(t, b, client, "good")
	select {
	case <-good.at:
	case <-time.After(testaid.Patience): //clock:real it ends a broken test
		t.Error("not found")
	}
}

// at is a position with a tag that is its offset.
func at(epoch broker.Epoch, offset uint64) broker.Position {
	return broker.Position{Epoch: epoch, Offset: offset, Tag: uint32(offset)}
}

// recorder is a receiver that nobody looks at.
type recorder struct{}

func (*recorder) Receive(*push.Message) {}
func (*recorder) Break(broker.Gap)      {}

// signal is a receiver that sends offsets.
type signal struct{ at chan uint64 }

func (s *signal) Receive(m *push.Message) { s.at <- m.Offset }
func (s *signal) Break(broker.Gap)        {}

func TestRingIsRefused(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{})
	defer ring.Close()
	b := brokerOn(t, ring, Options{})
	if _, err := b.Subscribe(t.Context(), "a", &recorder{}); err == nil {
		t.Error("Subscribe takes a Ring")
	}
	if _, err := b.Publish(t.Context(), push.Message{Topic: "a"}); err == nil {
		t.Error("Publish takes a Ring")
	}
}
