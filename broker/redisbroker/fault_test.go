package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// patience is how long a test waits for what must come. How soon it comes is measured
// by module broker/faults, on a quiet machine.
const patience = testaid.Patience

// follower is a receiver that checks the chain, and notes the gaps.
type follower struct {
	t *testing.T

	mu       sync.Mutex
	position broker.Position
	data     []string // messages, and "gap REASON"
	news     chan struct{}
}

func follow(t *testing.T, b push.Broker, topic string) *follower {
	t.Helper()
	f := &follower{t: t, news: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, err := b.Subscribe(t.Context(), topic, f)
	if err != nil {
		t.Fatal(err)
	}
	f.position = at
	return f
}

func (f *follower) Receive(m *push.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !m.Follows(f.position) {
		f.t.Errorf("%+v does not continue %+v", m.Position, f.position)
	}
	f.note(string(m.Data), m.Position)
}

func (f *follower) Break(gap broker.Gap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("gap "+string(gap.Reason), gap.Now)
}

func (f *follower) note(what string, position broker.Position) {
	f.data = append(f.data, what)
	f.position = position
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// wait waits until this is the last thing that the follower has got, and returns all of
// it.
func (f *follower) wait(last string) []string {
	f.t.Helper()
	deadline := time.After(patience) //clock:real it ends a broken test
	for {
		f.mu.Lock()
		data := f.data
		f.mu.Unlock()
		if len(data) > 0 && data[len(data)-1] == last {
			return data
		}
		select {
		case <-f.news:
		case <-deadline:
			f.t.Fatalf("no %q in %v; got %.200q", last, patience, data)
		}
	}
}

func newBroker(t *testing.T, client redis.UniversalClient, o redisbroker.Options) *redisbroker.Broker {
	t.Helper()
	b := redisbroker.New(client, o)
	closeWithTest(t, b)
	return b
}

func closeWithTest(t *testing.T, b *redisbroker.Broker) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func publish(t *testing.T, b push.Publisher, topic, data string) push.Receipt {
	t.Helper()
	receipt, err := b.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// followFirst follows topic a, and has got message 1.
func followFirst(t *testing.T, b push.Broker) *follower {
	t.Helper()
	f := follow(t, b, "a")
	publish(t, b, "a", "1")
	f.wait("1")
	return f
}

func TestLostPubSubMessageIsFound(t *testing.T) {
	server := startRedis(t)
	b, lose := redisbroker.NewLossy(server.client(), redisbroker.Options{})
	closeWithTest(t, b)
	f := followFirst(t, b)
	lose.Store(1)
	publish(t, b, "a", "2")
	publish(t, b, "a", "3") // shows that 2 is missing
	if got := fmt.Sprint(f.wait("3")); got != "[1 2 3]" {
		t.Errorf("got %s", got)
	}
	lose.Store(1)
	publish(t, b, "a", "4") // then silence
	f.wait("4")
}

func TestPubSubConnectionIsKilledUnderLoad(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	b := newBroker(t, server.client(), redisbroker.Options{})
	publisher := newBroker(t, server.client(), redisbroker.Options{})
	f := follow(t, b, "a")
	const messages = 2000
	for i := range messages {
		publish(t, publisher, "a", fmt.Sprint(i))
		if i%200 == 100 {
			if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := f.wait(fmt.Sprint(messages - 1))
	for i, data := range got {
		if data != fmt.Sprint(i) {
			t.Fatalf("number %d is %q", i, data)
		}
	}
}

func TestFlushedRedisIsAGap(t *testing.T) {
	for _, flush := range []string{"all", "the head", "the history"} {
		t.Run(flush, func(t *testing.T) {
			server := startRedis(t)
			client := server.client()
			b := newBroker(t, server.client(), redisbroker.Options{})
			f := follow(t, b, "a")
			before := publish(t, b, "a", "1")
			f.wait("1")
			var err error
			switch flush {
			case "all":
				err = client.FlushAll(t.Context()).Err()
			case "the head":
				err = client.Del(t.Context(), b.Keys("a")[0]).Err()
			case "the history":
				err = client.Del(t.Context(), b.Keys("a")[1]).Err()
			}
			if err != nil {
				t.Fatal(err)
			}
			if flush != "the history" { // whose loss alone takes nothing from followers
				f.wait("gap epoch")
			}
			after := publish(t, b, "a", "2")
			f.wait("2")
			if flush == "the history" {
				if after.Position.Epoch != before.Position.Epoch || after.Position.Offset != 2 {
					t.Errorf("went on at %+v after %+v", after.Position, before.Position)
				}
				return
			}
			if after.Position.Epoch == before.Position.Epoch {
				t.Error("the epoch is the same")
			}
			page, err := b.Since(t.Context(), "a", before.Position, broker.Limit{})
			if err != nil || page.Gap != broker.GapEpoch {
				t.Errorf("resuming from before: %+v, %v", page, err)
			}
		})
	}
}

// TestRedisThatGoesBackInTime puts back a state of five messages ago, as a failover
// to a lagging replica does. New messages would take the offsets of those lost.
func TestRedisThatGoesBackInTime(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	o := redisbroker.Options{Check: time.Hour} // what the check would find must be found without it
	b := newBroker(t, server.client(), o)
	publisher := newBroker(t, server.client(), o)
	f := follow(t, b, "a")
	dumps := map[string]string{}
	var last push.Receipt
	for i := range 100 {
		if i == 95 {
			for _, key := range b.Keys("a") {
				dump, err := client.Dump(t.Context(), key).Result()
				if err != nil {
					t.Fatal(err)
				}
				dumps[key] = dump
			}
		}
		last = publish(t, publisher, "a", fmt.Sprint(i))
	}
	f.wait("99")
	for key, dump := range dumps {
		if err := client.RestoreReplace(t.Context(), key, 0, dump).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		publish(t, publisher, "a", fmt.Sprint("new ", i))
	}
	got := f.wait("new 9")
	gaps := 0
	for i, data := range got[100:] {
		if data == "gap epoch" || data == "gap fork" {
			gaps++
		} else if data != fmt.Sprint("new ", i-gaps) {
			t.Errorf("number %d after the fork is %q", i, data)
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps: %q", gaps, got[100:])
	}
	page, err := b.Since(t.Context(), "a", last.Position, broker.Limit{})
	if err != nil || page.Gap == "" {
		t.Errorf("resuming from a lost message: %+v, %v", page, err)
	}
}

func TestFrozenRedis(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	b := newBroker(t, client, redisbroker.Options{})
	f := followFirst(t, b)
	server.must(server.Freeze())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	m := push.Message{Topic: "a", ID: "unknown", Data: []byte("2")}
	if _, err := b.Publish(ctx, m); !errors.Is(err, push.CodeTimeout) && !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Publish: %v", err)
	}
	server.must(server.Thaw())
	if _, err := b.Publish(t.Context(), m); err != nil { // safe: the same ID
		t.Fatal(err)
	}
	publish(t, b, "a", "3")
	if got := fmt.Sprint(f.wait("3")); got != "[1 2 3]" {
		t.Errorf("got %s", got)
	}
}

func TestRedisRestartsWithoutItsData(t *testing.T) {
	server := startRedis(t)
	b := newBroker(t, server.client(), redisbroker.Options{})
	f := followFirst(t, b)
	server.must(server.Stop(os.Kill))
	if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("x")}); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Publish with Redis down: %v", err)
	}
	server.must(server.Restart())
	f.wait("gap epoch")
	publish(t, b, "a", "2")
	if got := fmt.Sprint(f.wait("2")); got != "[1 gap epoch 2]" {
		t.Errorf("got %s", got)
	}
}

func TestFullRedis(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	b := newBroker(t, server.client(), redisbroker.Options{})
	f := followFirst(t, b)
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("x")}); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Publish to a full Redis: %v", err)
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ScriptFlush(t.Context()).Err(); err != nil { // scripts are loaded again by themselves
		t.Fatal(err)
	}
	publish(t, b, "a", "2")
	if got := fmt.Sprint(f.wait("2")); got != "[1 2]" {
		t.Errorf("got %s", got)
	}
}

func TestForeignMessagesAreNotForwarded(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	b := newBroker(t, server.client(), redisbroker.Options{})
	f := follow(t, b, "a")
	first := publish(t, b, "a", "1")
	f.wait("1")
	channel := redisbroker.Channel("a")
	epoch := first.Position.Epoch.String()
	for _, payload := range []string{
		"", "garbage", strings.Repeat("garbage ", 10<<20/8), epoch + " 2 00000000 00000000 0 " + strings.Repeat("\xff", 1<<20), epoch + " -1 00000000 00000000 0 x", epoch + " NaN 00000000 00000000 0 x",
		epoch + " 2 00000000 00000000 0 \x01\x00", epoch + " 2 00000000 00000000 0 \x02\x00\x01i\x00\x00x",
		epoch + " 2 00000000 ffffffff 0 \x01\x00\x01i\x00\x00forged", "ffffffffffffffff 9 00000000 00000000 0 \x01\x00\x01i\x00\x00forged",
		epoch + " 2 00000000 00000000 0 \x01\x00\x01i\x03a\nb\x00x",
	} {
		if err := client.SPublish(t.Context(), channel, payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, "a", "2")
	// The one that could be next may pass for a message that Redis has lost again.
	if got := fmt.Sprint(f.wait("2")); got != "[1 2]" && got != "[1 gap epoch 2]" {
		t.Errorf("got %s", got)
	}
}
