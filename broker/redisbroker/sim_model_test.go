package redisbroker_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/tidewire/tidewire/broker/brokertest"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestFakeBroker holds the fake Redis to the suite that every broker must pass.
func TestFakeBroker(t *testing.T) { brokertest.Run(t, onFakeRedis) }

// TestFakeStore holds it to that for stores.
func TestFakeStore(t *testing.T) { brokertest.RunStore(t, onFakeRedis) }

func onFakeRedis(_ testing.TB, c brokertest.Options) brokertest.Backend {
	o := redisbroker.Options{History: c.History, MaxMessage: c.MaxMessage, Retry: c.Retry, Logger: slog.New(slog.DiscardHandler)}
	redis := newFakeRedis(1, o)
	ports := map[push.Broker]*fakePort{}
	// toLine does something to the line of an instance, which may be connecting.
	toLine := func(t testing.TB, instance push.Broker, do func(*fakeLine)) {
		t.Helper()
		testaid.Eventually(t, "a line", func() bool {
			redis.mu.Lock()
			defer redis.mu.Unlock()
			for line := range redis.lines {
				if line.port == ports[instance] {
					do(line)
					return true
				}
			}
			return false
		})
	}
	return brokertest.Backend{
		Instance: func(testing.TB) push.Broker {
			port := redis.port(fmt.Sprint("port ", len(ports)))
			b := redisbroker.NewSim(port, o)
			ports[b] = port
			return b
		},
		Cost: func(testing.TB) map[string]int {
			cost := map[string]int{}
			for b := range ports {
				for what, n := range b.(*redisbroker.Broker).Held() {
					cost[what] += n
				}
			}
			redis.mu.Lock()
			defer redis.mu.Unlock()
			cost["keys"] = len(redis.topics)
			for line := range redis.lines {
				cost["channels"] += len(line.channels)
			}
			return cost
		},
		Lose: func(t testing.TB, b push.Broker, n int) {
			t.Helper()
			toLine(t, b, func(l *fakeLine) { l.lose = n })
		},
		Cut: func(t testing.TB, b push.Broker) {
			t.Helper()
			toLine(t, b, (*fakeLine).breakOff)
		},
		Restart: func(testing.TB) { redis.promote(0, false) },
		Erase: func(testing.TB) {
			redis.flush()
			redis.promote(0, false)
		},
	}
}

// TestFakeIsLikeRedis asks the fake and a real Redis the same, and compares what
// they answer and what they send to subscribers. Only their random epochs and tags
// differ, but always in the same way.
func TestFakeIsLikeRedis(t *testing.T) {
	client := startRedis(t).client()
	rapid.Check(t, func(rt *rapid.T) {
		o := redisbroker.Options{Prefix: prefix(), History: push.History{Messages: 5, Bytes: 1200}}
		fake := newFakeRedis(1, o)
		m := &model{
			client: client, options: o, fake: fake, fakePort: fake.port("a"), realPort: redisbroker.SimServer(client, o),
			epochs: map[push.Epoch]push.Epoch{}, tags: map[push.Position]uint32{},
		}
		m.listen(rt)
		defer m.close(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"add": m.add, "add again": m.add, "read": m.read, "heads": m.heads, "forget": m.forget,
			"put": m.put, "take": m.take, "all": m.all,
		})
	})
}

// model is the fake and the real Redis, and how the words of one are said by the
// other.
type model struct {
	client             *redis.Client
	options            redisbroker.Options
	fake               *fakeRedis
	fakePort, realPort redisbroker.SimPort
	line               redisbroker.SimLine
	pubsub             *redis.PubSub

	epochs map[push.Epoch]push.Epoch
	tags   map[push.Position]uint32 // by the fake's position
	known  []push.Position          // the fake's
}

var modelTopics = []string{"a", "b"}

func (m *model) listen(rt *rapid.T) {
	m.line = m.fakePort.Open()
	channels := []string{redisbroker.SimChannel(m.options, "a"), redisbroker.SimChannel(m.options, "b")}
	m.pubsub = m.client.SSubscribe(rt.Context(), channels...)
	if err := m.line.Subscribe(rt.Context(), channels...); err != nil {
		rt.Fatal(err)
	}
	for range channels {
		_, err := m.line.Receive(rt.Context())
		_, realErr := m.pubsub.Receive(rt.Context())
		if err != nil || realErr != nil {
			rt.Fatal(err, realErr)
		}
	}
}

func (m *model) close(rt *rapid.T) {
	m.line.Close()
	m.pubsub.Close()
	if err := errors.Join(m.fakePort.Close(rt.Context()), m.realPort.Close(rt.Context())); err != nil {
		rt.Error(err)
	}
}

// same fails unless a place of the fake is that of the real one.
func (m *model) same(rt *rapid.T, fake, actual push.Position) {
	if epoch, ok := m.epochs[fake.Epoch]; ok && epoch != actual.Epoch {
		rt.Fatalf("the fake is in the same epoch as before, Redis in another: %v, %v", fake, actual)
	}
	for f, r := range m.epochs {
		if r == actual.Epoch && f != fake.Epoch {
			rt.Fatalf("Redis is in the same epoch as before, the fake in another: %v, %v", fake, actual)
		}
	}
	tag, ok := m.tags[fake]
	if fake.Offset != actual.Offset || ok && tag != actual.Tag {
		rt.Fatalf("the fake is at %v, Redis at %v (tag %d)", fake, actual, tag)
	}
	if !ok && !fake.IsZero() {
		m.epochs[fake.Epoch], m.tags[fake] = actual.Epoch, actual.Tag
		m.known = append(m.known, fake)
	}
}

func (m *model) sameMessage(rt *rapid.T, fake, actual *push.Message) {
	m.same(rt, fake.Position, actual.Position)
	if fake.ID != actual.ID || string(fake.Data) != string(actual.Data) || fake.Event != actual.Event || fake.Topic != actual.Topic {
		rt.Fatalf("the fake has %+v, Redis %+v", fake, actual)
	}
}

// witness draws what an instance might have seen, as each of the two has to say it.
func (m *model) witness(rt *rapid.T) (fake, actual redisbroker.SimWitness) {
	if len(m.known) == 0 || rapid.Bool().Draw(rt, "nobody saw anything") {
		return fake, actual
	}
	fake.Position = rapid.SampledFrom(m.known).Draw(rt, "witness")
	actual.Position = push.Position{Epoch: m.epochs[fake.Epoch], Offset: fake.Offset, Tag: m.tags[fake.Position]}
	switch rapid.IntRange(0, 5).Draw(rt, "but") {
	case 0:
		fake.Offset++
		actual.Offset++
	case 1:
		fake.Tag ^= 1
		actual.Tag ^= 1
	case 2:
		fake.Left = rapid.SampledFrom(m.known).Draw(rt, "left").Epoch
		actual.Left = m.epochs[fake.Left]
	}
	return fake, actual
}

// origin draws how the topic begins, as each of the two has to say it.
func (m *model) origin(rt *rapid.T, topic string) (fake, actual redisbroker.SimOrigin) {
	genesis, fakeErr := m.fakePort.Genesis(rt.Context())
	realGenesis, realErr := m.realPort.Genesis(rt.Context())
	if fakeErr != nil || realErr != nil {
		rt.Fatal(fakeErr, realErr)
	}
	fake, actual = redisbroker.SimOrigin{Genesis: genesis}, redisbroker.SimOrigin{Genesis: realGenesis}
	switch rapid.IntRange(0, 4).Draw(rt, "history") {
	case 0: // is known to be lost
		return fake, actual
	case 1:
		fake.Genesis, actual.Genesis = "another", "another"
	}
	fake.Epoch, actual.Epoch = redisbroker.SimFirst(genesis, topic).Epoch, redisbroker.SimFirst(realGenesis, topic).Epoch
	return fake, actual
}

// after draws a position, as each of the two has to say it.
func (m *model) after(rt *rapid.T) (fake, actual push.Position) {
	if len(m.known) == 0 {
		return fake, actual
	}
	fake = rapid.SampledFrom(m.known).Draw(rt, "after")
	actual = push.Position{Epoch: m.epochs[fake.Epoch], Offset: fake.Offset, Tag: m.tags[fake]}
	switch rapid.IntRange(0, 5).Draw(rt, "but") {
	case 0:
		fake.Offset++
		actual.Offset++
	case 1:
		fake.Tag ^= 1
		actual.Tag ^= 1
	case 2:
		fake.Epoch ^= 1
		actual.Epoch ^= 1
	}
	return fake, actual
}

func (m *model) add(rt *rapid.T) {
	message := push.Message{Topic: rapid.SampledFrom(modelTopics).Draw(rt, "topic"), Event: "e"}
	repeatable := rapid.Bool().Draw(rt, "repeatable")
	message.ID = fmt.Sprint("id", rapid.IntRange(0, 3).Draw(rt, "id"))
	message.Data = []byte(strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 2, 300, 1300}).Draw(rt, "size")))
	fakeWitness, realWitness := m.witness(rt)
	fakeOrigin, realOrigin := m.origin(rt, message.Topic)
	fake, fakeErr := m.fakePort.Add(rt.Context(), &message, repeatable, fakeWitness, fakeOrigin)
	actual, realErr := m.realPort.Add(rt.Context(), &message, repeatable, realWitness, realOrigin)
	if !errors.Is(realErr, fakeErr) || fake.Duplicate != actual.Duplicate || fake.ID != actual.ID {
		rt.Fatalf("the fake says %+v, %v, Redis %+v, %v", fake, fakeErr, actual, realErr)
	}
	m.same(rt, fake.Position, actual.Position)
	if fakeErr == nil && !fake.Duplicate {
		m.hear(rt, message.Topic)
	}
}

// hear compares what subscribers get.
func (m *model) hear(rt *rapid.T, topic string) {
	fakeNotice, err := m.line.Receive(rt.Context())
	if err != nil {
		rt.Fatal(err)
	}
	realNotice, err := m.pubsub.ReceiveMessage(rt.Context())
	if err != nil {
		rt.Fatal(err)
	}
	fake, fakeErr := redisbroker.SimParse(topic, fakeNotice.Text)
	actual, realErr := redisbroker.SimParse(topic, realNotice.Payload)
	if fakeErr != nil || realErr != nil || fakeNotice.Channel != realNotice.Channel {
		rt.Fatalf("the fake sends %+v, Redis %+v: %v, %v", fakeNotice, realNotice, fakeErr, realErr)
	}
	m.sameMessage(rt, fake, actual)
	m.same(rt,
		push.Position{Epoch: fake.Epoch, Offset: fake.Offset - 1, Tag: fake.PreviousTag},
		push.Position{Epoch: actual.Epoch, Offset: actual.Offset - 1, Tag: actual.PreviousTag})
}

func (m *model) read(rt *rapid.T) {
	topic := rapid.SampledFrom(modelTopics).Draw(rt, "topic")
	q := redisbroker.SimQuery{
		Newest: rapid.Bool().Draw(rt, "newest"),
		Limit:  push.Limit{Messages: rapid.IntRange(0, 6).Draw(rt, "messages")},
	}
	if !q.Newest {
		q.Limit.Least = rapid.IntRange(0, 3).Draw(rt, "least")
		q.Limit.Bytes = rapid.SampledFrom([]int{0, 1, 300, 900}).Draw(rt, "bytes")
	}
	fakeQuery, realQuery := q, q
	fakeQuery.After, realQuery.After = m.after(rt)
	fakeWitness, realWitness := m.witness(rt)
	fakeOrigin, realOrigin := m.origin(rt, topic)
	fake, fakeErr := m.fakePort.Read(rt.Context(), topic, fakeQuery, fakeWitness, fakeOrigin)
	actual, realErr := m.realPort.Read(rt.Context(), topic, realQuery, realWitness, realOrigin)
	if !errors.Is(realErr, fakeErr) || fake.Gap != actual.Gap || len(fake.Messages) != len(actual.Messages) {
		rt.Fatalf("the fake gives %d messages, gap %q, %v, Redis %d, %q, %v",
			len(fake.Messages), fake.Gap, fakeErr, len(actual.Messages), actual.Gap, realErr)
	}
	m.same(rt, fake.Head, actual.Head)
	for i := range fake.Messages {
		m.sameMessage(rt, fake.Messages[i], actual.Messages[i])
	}
}

func (m *model) heads(rt *rapid.T) {
	fake, fakeErr := m.fakePort.Heads(rt.Context(), modelTopics)
	actual, realErr := m.realPort.Heads(rt.Context(), modelTopics)
	if fakeErr != nil || realErr != nil || len(actual) != len(fake) {
		rt.Fatal(fakeErr, realErr)
	}
	for i := range fake {
		m.same(rt, fake[i], actual[i])
	}
}

// forget takes keys away, one or all.
func (m *model) forget(rt *rapid.T) {
	topic := rapid.SampledFrom(modelTopics).Draw(rt, "topic")
	meta, stream := redisbroker.SimKeys(m.options, topic)
	keys := []string{meta}
	if rapid.Bool().Draw(rt, "only the history") {
		keys[0] = stream
		m.fake.evict(topic, false, 0)
	} else {
		m.fake.evict(topic, true, 0)
	}
	if err := m.client.Del(rt.Context(), keys...).Err(); err != nil {
		rt.Fatal(err)
	}
}
