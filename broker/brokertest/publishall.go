package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// publishAll publishes as a hub does that has only this broker. Closing the hub would close
// the broker.
func publishAll(t testing.TB, b push.Broker, m push.Message, topics ...string) []push.Published {
	t.Helper()
	all := push.New(b, push.Options{}).PublishAll(t.Context(), m, topics...)
	var asked []string
	for _, p := range all {
		asked = append(asked, p.Topic)
	}
	if !slices.Equal(asked, topics) {
		t.Fatalf("asked for %q, told of %q", topics, asked)
	}
	return all
}

// testPublishAll names one topic twice.
func testPublishAll(t testing.TB, s setup) {
	const topics = 300
	b := s.open(t, Options{})
	var names []string
	for i := range topics {
		names = append(names, fmt.Sprint("a/", i))
	}
	c, at := subscribe(t, b, "a/7")
	for round := range uint64(2) {
		m := push.Message{Topic: "not this one", Event: "e", Key: "k", Data: []byte(`{ "a": 1 }`), Encoding: push.EncodingJSON}
		all := publishAll(t, b, m, append(names, "a/7")...)
		if again := all[topics]; again != all[7] {
			t.Errorf("the topic that is named twice: %+v and %+v", all[7], again)
		}
		ids := map[string]bool{}
		for _, p := range all[:topics] {
			if p.Err != nil || p.Receipt.Position.Offset != round+1 || p.Receipt.Duplicate || ids[p.Receipt.ID] {
				t.Fatalf("%+v, in round %d", p, round)
			}
			ids[p.Receipt.ID] = true
		}
		got := c.next(&at)
		if string(got.Data) != `{"a":1}` || got.Event != "e" || got.Key != "k" || got.Position != all[7].Receipt.Position || got.ID != all[7].Receipt.ID {
			t.Errorf("got %+v; the receipt is %+v", got, all[7].Receipt)
		}
		if m := newest(t, b, "a/299"); m.Topic != "a/299" || m.Named {
			t.Errorf("the newest is %+v", m)
		}
	}
	if head := recent(t, b, "not this one", 0).Head; head.Offset != 0 {
		t.Errorf("the message's own topic is at %+v", head)
	}
	if all := publishAll(t, b, push.Message{}); len(all) != 0 {
		t.Errorf("no topics: %+v", all)
	}
}

func testPublishAllAgain(t testing.TB, s setup) {
	b := s.open(t, Options{})
	m := push.Message{ID: "once", Data: []byte("x")}
	first := publishAll(t, b, m, "a", "b")
	again := publishAll(t, b, m, "c", "b", "a")
	for i, want := range []push.Receipt{{}, first[1].Receipt, first[0].Receipt} {
		p := again[i]
		if p.Err != nil || p.Receipt.ID != "once" || p.Receipt.Duplicate != (i > 0) || i > 0 && p.Receipt.Position != want.Position {
			t.Errorf("%+v, want %+v again", p, want)
		}
	}
	single := publish(t, b, push.Message{Topic: "c", ID: "once", Data: []byte("x")})
	if !single.Duplicate || single.Position != again[0].Receipt.Position {
		t.Errorf("one topic by itself: %+v, want %+v again", single, again[0].Receipt)
	}
}

func testPublishAllErrors(t testing.TB, s setup) {
	b := s.open(t, Options{MaxMessage: 100})
	publish(t, b, push.Message{Topic: "conflict", ID: "id", Data: []byte("another")})
	m := push.Message{ID: "id", Data: []byte("x")}
	all := publishAll(t, b, m, "a", "a\nb", "tidewire.control", "conflict", "", "b")
	for i, want := range []error{nil, push.CodeBadRequest, push.CodeBadRequest, push.CodeConflict, push.CodeBadRequest, nil} {
		p := all[i]
		if !errors.Is(p.Err, want) || (p.Receipt.Position.Offset == 1) != (want == nil) {
			t.Errorf("%q: %+v, want %v", p.Topic, p, want)
		}
	}
	m.Data = []byte(strings.Repeat("x", 101))
	for _, p := range publishAll(t, b, m, "d", "e") {
		if !errors.Is(p.Err, push.CodeTooLarge) {
			t.Errorf("too large: %+v", p)
		}
	}
	many := make([]string, broker.MaxPublishTopics+1)
	for i := range many {
		many[i] = "d"
	}
	for _, p := range publishAll(t, b, text("", "x"), many...) {
		if !errors.Is(p.Err, push.CodeBadRequest) {
			t.Fatalf("1,001 topics: %+v", p)
		}
	}
	if head := recent(t, b, "d", 0).Head; head.Offset != 0 {
		t.Errorf("what was refused is stored: %+v", head)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range push.New(b, push.Options{}).PublishAll(ctx, m, "d", "e") {
		if p.Err == nil {
			t.Errorf("after the end of the context: %+v", p)
		}
	}
}
