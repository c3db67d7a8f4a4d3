package redisbroker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// modelKeys are the keys of the states.
var modelKeys = []string{"k", "l", "m", "é", strings.Repeat("long", 40)}

// The steps of the model about states.

var modelRules = []push.TopicRule{
	{Pattern: "s", State: true, MaxKeys: 3, MaxValue: 20, MaxBytes: 40, TTL: time.Hour, Time: true},
	{Pattern: "t", State: true},
}

// change draws a change of any kind. Some keys end at once.
func (m *model) change(rt *rapid.T) {
	message := push.Message{
		Topic: rapid.SampledFrom(modelStates).Draw(rt, "topic"), Named: true,
		ID:  fmt.Sprint("id", rapid.IntRange(0, 5).Draw(rt, "id")),
		Op:  rapid.SampledFrom([]broker.Op{broker.OpSet, broker.OpSet, broker.OpAppend, broker.OpAppend, broker.OpDelete, broker.OpTouch}).Draw(rt, "op"),
		Key: rapid.SampledFrom(modelKeys).Draw(rt, "key"),
		TTL: rapid.SampledFrom([]time.Duration{0, 0, time.Hour, -1, time.Millisecond}).Draw(rt, "TTL"),
	}
	if message.Op < broker.OpDelete {
		message.Data = []byte(rapid.SampledFrom([]string{"", "x", "é😀", "0123456789", strings.Repeat("x", 25), strings.Repeat("é", 300)}).Draw(rt, "data"))
	}
	if message.Op == broker.OpSet && rapid.Bool().Draw(rt, "binary") {
		message.Encoding = push.EncodingBinary
	}
	repeatable := rapid.IntRange(0, 3).Draw(rt, "repeatable") == 0
	fakeMark, realMark := m.highWater(rt)
	fakeOrigin, realOrigin := m.origin(rt, message.Topic)
	fakeMessage, realMessage := m.condition(rt, message)
	before := m.position(rt, message.Topic)
	fake, fakeErr := m.fakePort.Add(rt.Context(), fakeMessage, repeatable, fakeMark, fakeOrigin)
	actual, realErr := m.realPort.Add(rt.Context(), realMessage, repeatable, realMark, realOrigin)
	if !errors.Is(realErr, fakeErr) || fake.Duplicate != actual.Duplicate || fake.ID != actual.ID {
		rt.Fatalf("the fake says %+v, %v, Redis %+v, %v", fake, fakeErr, actual, realErr)
	}
	m.sameRefusal(rt, fakeErr, realErr)
	m.same(rt, fake.Position, actual.Position)
	m.hearAfter(rt, message.Topic, before)
	if message.TTL == time.Millisecond {
		m.pass(rt)
	}
}

// condition draws a condition, in the terms of each of the two.
func (m *model) condition(rt *rapid.T, message push.Message) (fake, actual *push.Message) {
	other := message
	fake, actual = &message, &other
	switch {
	case message.Op < broker.OpDelete && rapid.IntRange(0, 5).Draw(rt, "if it's absent") == 0:
		fake.IfAbsent, actual.IfAbsent = true, true
	case len(m.known) > 0 && rapid.IntRange(0, 3).Draw(rt, "condition") == 0:
		p := rapid.SampledFrom(m.known).Draw(rt, "version")
		if rapid.IntRange(0, 3).Draw(rt, "of before") == 0 {
			p.Offset = 0
		}
		fake.IfVersion, actual.IfVersion = broker.Version{Epoch: p.Epoch, Offset: p.Offset}, broker.Version{Epoch: m.epochs[p.Epoch], Offset: p.Offset}
	}
	return fake, actual
}

// sameRefusal compares reasons, and the versions in them.
func (m *model) sameRefusal(rt *rapid.T, fake, actual error) {
	var fakeError, realError *push.Error
	if errors.As(fake, &fakeError) && errors.As(actual, &realError) && fakeError.Reason != realError.Reason {
		rt.Fatalf("the fake says %v, Redis %v", fake, actual)
	}
	var fakeVersion, realVersion *broker.VersionError
	if errors.As(fake, &fakeVersion) != errors.As(actual, &realVersion) {
		rt.Fatalf("the fake says %v, Redis %v", fake, actual)
	}
	if fakeVersion == nil {
		return
	}
	f, r := fakeVersion.Current, realVersion.Current
	if f.Offset != r.Offset || (f.Epoch == 0) != (r.Epoch == 0) || f.Epoch != 0 && m.epochs[f.Epoch] != r.Epoch && m.epochs[f.Epoch] != 0 {
		rt.Fatalf("the fake says %v, Redis %v", fake, actual)
	}
}

// position is where the fake has a topic.
func (m *model) position(rt *rapid.T, topic string) broker.Position {
	heads, err := m.fakePort.Heads(rt.Context(), []string{topic})
	if err != nil {
		rt.Fatal(err)
	}
	return heads[0].Position
}

// hearAfter compares what subscribers get of what was added since.
func (m *model) hearAfter(rt *rapid.T, topic string, before broker.Position) {
	now := m.position(rt, topic)
	if now.Epoch != before.Epoch {
		before.Offset = 0
	}
	for range now.Offset - before.Offset {
		m.hear(rt, topic)
	}
}

// pass waits until a key is due for both.
func (m *model) pass(rt *rapid.T) {
	start, err := m.client.Time(rt.Context()).Result()
	begun := time.Now()                                                                                                //clock:real Redis has no other
	for now := start; err == nil && (now.Sub(start) < 3*time.Millisecond || time.Since(begun) < 3*time.Millisecond); { //clock:real the same
		now, err = m.client.Time(rt.Context()).Result()
	}
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *model) state(rt *rapid.T) {
	topic := rapid.SampledFrom(modelStates).Draw(rt, "topic")
	fakeMark, realMark := m.highWater(rt)
	fakeOrigin, realOrigin := m.origin(rt, topic)
	fake, fakeErr := m.fakePort.State(rt.Context(), topic, fakeMark, fakeOrigin)
	actual, realErr := m.realPort.State(rt.Context(), topic, realMark, realOrigin)
	if !errors.Is(realErr, fakeErr) || len(fake.Messages) != len(actual.Messages) {
		rt.Fatalf("the fake gives %d keys, %v, Redis %d, %v", len(fake.Messages), fakeErr, len(actual.Messages), realErr)
	}
	m.same(rt, fake.Head, actual.Head)
	for i, f := range fake.Messages {
		r := actual.Messages[i]
		if f.Key != r.Key || f.Op != r.Op || string(f.Data) != string(r.Data) || f.Encoding != r.Encoding || f.Offset != r.Offset ||
			f.Epoch != fake.Head.Epoch || r.Epoch != actual.Head.Epoch || f.Tag != r.Tag || f.TellTime != r.TellTime || f.Time.IsZero() != r.Time.IsZero() {
			rt.Fatalf("the fake has %+v, Redis %+v", f, r)
		}
	}
}

func (m *model) expire(rt *rapid.T) {
	topic := rapid.SampledFrom(modelStates).Draw(rt, "topic")
	fakeMark, realMark := m.highWater(rt)
	fakeOrigin, realOrigin := m.origin(rt, topic)
	before := m.position(rt, topic)
	fake, fakeErr := m.fakePort.Expire(rt.Context(), topic, fakeMark, fakeOrigin)
	actual, realErr := m.realPort.Expire(rt.Context(), topic, realMark, realOrigin)
	if !errors.Is(realErr, fakeErr) || (fake.Due == 0) != (actual.Due == 0) || (fake.In == 0) != (actual.In == 0) {
		rt.Fatalf("the fake says %+v, %v, Redis %+v, %v", fake, fakeErr, actual, realErr)
	}
	m.same(rt, fake.Position, actual.Position)
	m.hearAfter(rt, topic, before)
}

func (m *model) renew(rt *rapid.T) {
	topic := rapid.SampledFrom(modelStates).Draw(rt, "topic")
	keys := rapid.SliceOfDistinct(rapid.SampledFrom(modelKeys), rapid.ID).Draw(rt, "keys")
	ttl := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Hour}).Draw(rt, "ttl")
	fakeMark, realMark := m.highWater(rt)
	fakeOrigin, realOrigin := m.origin(rt, topic)
	before := m.position(rt, topic)
	fake, fakeErr := m.fakePort.Renew(rt.Context(), topic, keys, ttl, fakeMark, fakeOrigin)
	actual, realErr := m.realPort.Renew(rt.Context(), topic, keys, ttl, realMark, realOrigin)
	if !errors.Is(realErr, fakeErr) || !slices.Equal(fake.Gone, actual.Gone) {
		rt.Fatalf("the fake says %q, %v, Redis %q, %v", fake.Gone, fakeErr, actual.Gone, realErr)
	}
	m.same(rt, fake.Position, actual.Position)
	m.hearAfter(rt, topic, before)
	if ttl < time.Second {
		m.pass(rt)
	}
}

// loseKeys takes the keys of a state away, or when they end.
func (m *model) loseKeys(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "seldom") > 0 {
		rt.Skip()
	}
	topic := rapid.SampledFrom(modelStates).Draw(rt, "topic")
	keys, deadlines := m.options.stateKeys(topic)
	all := rapid.Bool().Draw(rt, "all")
	if !all {
		keys = deadlines
	}
	m.fake.EvictKeys(topic, all)
	if err := m.client.Del(rt.Context(), keys).Err(); err != nil {
		rt.Fatal(err)
	}
}
