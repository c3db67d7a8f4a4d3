package redisbroker

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/broker/internal/follow/sim"
	"github.com/tidewire/tidewire/push"
)

// TestSimulatedStoreIsLikeRedis asks the simulation's store and a real Redis the same, and
// compares what they answer and what they send to subscribers. Only their random epochs and
// tags differ, but always in the same way.
func TestSimulatedStoreIsLikeRedis(t *testing.T) {
	_, client := startServer(t)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		o := Options{Prefix: fmt.Sprint("run ", runs, ":"), History: broker.History{Messages: 5, Bytes: 1200}, Topics: modelRules}.withDefaults()
		fake := sim.NewStore(1, sim.Options{Prefix: o.Prefix, History: o.History, Topics: o.Topics})
		m := &model{
			client: client, options: o, fake: fake, fakePort: fake.Port("a"), realPort: newServer(client, o),
			epochs: map[broker.Epoch]broker.Epoch{}, tags: map[broker.Position]uint32{},
		}
		m.listen(rt)
		defer m.close(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"add": m.add, "add again": m.add, "read": m.read, "heads": m.heads, "forget": m.forget,
			"put": m.put, "take": m.take, "all": m.all,
			"change": m.change, "change again": m.change, "and again": m.change, "state": m.state, "expire": m.expire, "renew": m.renew, "lose keys": m.loseKeys,
		})
	})
}

// model is the fake store and the real one, and how the epochs and tags of one translate
// into those of the other.
type model struct {
	client             *redis.Client
	options            Options
	fake               *sim.Store
	fakePort, realPort follow.StorePort
	subscriber         follow.Subscriber
	pubsub             *redis.PubSub

	epochs map[broker.Epoch]broker.Epoch
	tags   map[broker.Position]uint32 // by the fake's position
	known  []broker.Position          // the fake's
}

var (
	modelLogs   = []string{"a", "b"}
	modelStates = []string{"s", "t"}
	modelTopics = slices.Concat(modelLogs, modelStates)
)

func (m *model) listen(rt *rapid.T) {
	var channels []string
	for _, topic := range modelTopics {
		channels = append(channels, m.realPort.Channel(topic))
	}
	m.pubsub = m.client.SSubscribe(rt.Context(), channels...)
	var err error
	if m.subscriber, err = m.fakePort.Subscriber(rt.Context(), channels[0]); err != nil {
		rt.Fatal(err)
	}
	if err := m.subscriber.Subscribe(rt.Context(), channels...); err != nil {
		rt.Fatal(err)
	}
	for range channels {
		_, err := m.subscriber.Receive(rt.Context())
		_, realErr := m.pubsub.Receive(rt.Context())
		if err != nil || realErr != nil {
			rt.Fatal(err, realErr)
		}
	}
}

func (m *model) close(rt *rapid.T) {
	m.subscriber.Close()
	m.pubsub.Close()
	if err := errors.Join(m.fakePort.Close(rt.Context()), m.realPort.Close(rt.Context())); err != nil {
		rt.Error(err)
	}
}

// same fails unless a position of the fake is that of the real one.
func (m *model) same(rt *rapid.T, fake, actual broker.Position) {
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
	if fake.Named && fake.ID != actual.ID || fake.Named != actual.Named || string(fake.Data) != string(actual.Data) || fake.Event != actual.Event ||
		fake.Topic != actual.Topic || fake.Op != actual.Op || fake.Key != actual.Key || fake.Encoding != actual.Encoding ||
		fake.Start != actual.Start || fake.TTL != actual.TTL {
		rt.Fatalf("the fake has %+v, Redis %+v", fake, actual)
	}
}

// highWater draws what an instance might have seen, in the terms of each of the two.
func (m *model) highWater(rt *rapid.T) (fake, actual follow.HighWater) {
	if len(m.known) == 0 || rapid.Bool().Draw(rt, "nobody saw anything") {
		return fake, actual
	}
	fake.Position = rapid.SampledFrom(m.known).Draw(rt, "high water")
	actual.Position = broker.Position{Epoch: m.epochs[fake.Epoch], Offset: fake.Offset, Tag: m.tags[fake.Position]}
	switch rapid.IntRange(0, 5).Draw(rt, "but") {
	case 0:
		fake.Offset++
		actual.Offset++
	case 1:
		fake.Tag ^= 1
		actual.Tag ^= 1
	case 2:
		fake.Ended = rapid.SampledFrom(m.known).Draw(rt, "ended").Epoch
		actual.Ended = m.epochs[fake.Ended]
	}
	return fake, actual
}

// origin draws how the topic begins, in the terms of each of the two.
func (m *model) origin(rt *rapid.T, topic string) (fake, actual follow.Origin) {
	genesis, fakeErr := m.fakePort.Genesis(rt.Context())
	realGenesis, realErr := m.realPort.Genesis(rt.Context())
	if fakeErr != nil || realErr != nil {
		rt.Fatal(fakeErr, realErr)
	}
	fake, actual = follow.Origin{Genesis: genesis}, follow.Origin{Genesis: realGenesis}
	switch rapid.IntRange(0, 4).Draw(rt, "history") {
	case 0: // is known to be lost
		return fake, actual
	case 1:
		fake.Genesis, actual.Genesis = "another", "another"
	}
	fake.Epoch, actual.Epoch = follow.FirstPosition(genesis, topic).Epoch, follow.FirstPosition(realGenesis, topic).Epoch
	return fake, actual
}

// after draws a position, in the terms of each of the two.
func (m *model) after(rt *rapid.T) (fake, actual broker.Position) {
	if len(m.known) == 0 {
		return fake, actual
	}
	fake = rapid.SampledFrom(m.known).Draw(rt, "after")
	actual = broker.Position{Epoch: m.epochs[fake.Epoch], Offset: fake.Offset, Tag: m.tags[fake]}
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
	message := push.Message{Topic: rapid.SampledFrom(modelLogs).Draw(rt, "topic"), Event: "e", Named: true}
	repeatable := rapid.Bool().Draw(rt, "repeatable")
	message.ID = fmt.Sprint("id", rapid.IntRange(0, 3).Draw(rt, "id"))
	message.Data = []byte(strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 2, 300, 1300}).Draw(rt, "size")))
	fakeMark, realMark := m.highWater(rt)
	fakeOrigin, realOrigin := m.origin(rt, message.Topic)
	fake, fakeErr := m.fakePort.Add(rt.Context(), &message, repeatable, fakeMark, fakeOrigin)
	actual, realErr := m.realPort.Add(rt.Context(), &message, repeatable, realMark, realOrigin)
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
	fakeEvent, err := m.subscriber.Receive(rt.Context())
	if err != nil {
		rt.Fatal(err)
	}
	realEvent, err := m.pubsub.ReceiveMessage(rt.Context())
	if err != nil {
		rt.Fatal(err)
	}
	fake, fakeErr := m.fakePort.Decode(topic, fakeEvent.Payload)
	actual, realErr := m.realPort.Decode(topic, realEvent.Payload)
	if fakeErr != nil || realErr != nil || fakeEvent.Channel != realEvent.Channel {
		rt.Fatalf("the fake sends %+v, Redis %+v: %v, %v", fakeEvent, realEvent, fakeErr, realErr)
	}
	m.sameMessage(rt, fake, actual)
	m.same(rt,
		broker.Position{Epoch: fake.Epoch, Offset: fake.Offset - 1, Tag: fake.PreviousTag},
		broker.Position{Epoch: actual.Epoch, Offset: actual.Offset - 1, Tag: actual.PreviousTag})
}

func (m *model) read(rt *rapid.T) {
	topic := rapid.SampledFrom(modelTopics).Draw(rt, "topic")
	q := follow.Query{
		Newest: rapid.Bool().Draw(rt, "newest"),
		Limit:  broker.Limit{Messages: rapid.IntRange(0, 6).Draw(rt, "messages")},
	}
	if !q.Newest {
		q.Limit.Least = rapid.IntRange(0, 3).Draw(rt, "least")
		q.Limit.Bytes = rapid.SampledFrom([]int{0, 1, 300, 900}).Draw(rt, "bytes")
	}
	fakeQuery, realQuery := q, q
	fakeQuery.After, realQuery.After = m.after(rt)
	fakeMark, realMark := m.highWater(rt)
	fakeOrigin, realOrigin := m.origin(rt, topic)
	fake, fakeErr := m.fakePort.Read(rt.Context(), topic, fakeQuery, fakeMark, fakeOrigin)
	actual, realErr := m.realPort.Read(rt.Context(), topic, realQuery, realMark, realOrigin)
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
		m.same(rt, fake[i].Position, actual[i].Position)
		if (fake[i].Due == 0) != (actual[i].Due == 0) {
			rt.Fatalf("the next key of %s is due at %d in the fake, at %d in Redis", modelTopics[i], fake[i].Due, actual[i].Due)
		}
	}
}

// forget takes keys away, one or all.
func (m *model) forget(rt *rapid.T) {
	topic := rapid.SampledFrom(modelTopics).Draw(rt, "topic")
	meta, stream, _ := m.options.topicKeys(topic, "")
	keys := []string{meta}
	if rapid.Bool().Draw(rt, "only the history") {
		keys[0] = stream
		m.fake.Evict(topic, false, 0)
	} else {
		m.fake.Evict(topic, true, 0)
	}
	if err := m.client.Del(rt.Context(), keys...).Err(); err != nil {
		rt.Fatal(err)
	}
}

// The steps about values. Their expiry is left to the suite of stores, which both
// pass: here it would depend on the machine.

func (m *model) storeKey(rt *rapid.T) string {
	return fmt.Sprint("key", rapid.IntRange(0, 3).Draw(rt, "key"))
}

func (m *model) put(rt *rapid.T) {
	set, key := rapid.SampledFrom(modelTopics).Draw(rt, "set"), m.storeKey(rt)
	value := rapid.SliceOf(rapid.Byte()).Draw(rt, "value")
	v := broker.Stored{Value: value, Version: rapid.Uint64Range(0, 3).Draw(rt, "version"), TTL: time.Hour}
	if rapid.Bool().Draw(rt, "large") {
		v.Version += broker.MaxOffset - 3 // which Lua has to tell apart
	}
	fake, fakeErr := m.fakePort.Put(rt.Context(), set, key, v)
	actual, realErr := m.realPort.Put(rt.Context(), set, key, v)
	if fakeErr != nil || realErr != nil || (fake == nil) != (actual == nil) || fake != nil && !likeStored(*fake, *actual) {
		rt.Fatalf("the fake gives %v, %v, Redis %v, %v", fake, fakeErr, actual, realErr)
	}
}

func (m *model) take(rt *rapid.T) {
	set, key := rapid.SampledFrom(modelTopics).Draw(rt, "set"), m.storeKey(rt)
	fake, fakeErr := m.fakePort.Take(rt.Context(), set, key)
	actual, realErr := m.realPort.Take(rt.Context(), set, key)
	if fakeErr != nil || realErr != nil || !bytes.Equal(fake, actual) || (fake == nil) != (actual == nil) {
		rt.Fatalf("the fake gives %q, %v, Redis %q, %v", fake, fakeErr, actual, realErr)
	}
}

func (m *model) all(rt *rapid.T) {
	set := rapid.SampledFrom(modelTopics).Draw(rt, "set")
	fake, fakeErr := m.fakePort.All(rt.Context(), set)
	actual, realErr := m.realPort.All(rt.Context(), set)
	if fakeErr != nil || realErr != nil || len(fake) != len(actual) {
		rt.Fatalf("the fake gives %v, %v, Redis %v, %v", fake, fakeErr, actual, realErr)
	}
	for key, value := range fake {
		if !likeStored(value, actual[key]) {
			rt.Fatalf("the fake has %v at %s, Redis %v", value, key, actual[key])
		}
	}
}

// likeStored leaves out how long values are there.
func likeStored(a, b broker.Stored) bool {
	return bytes.Equal(a.Value, b.Value) && a.Version == b.Version
}
