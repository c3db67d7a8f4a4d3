package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func testOffsets(t testing.TB, s setup) {
	b := s.open(t, Options{})
	at := recent(t, b, "a", 0).Head
	for i := range 50 {
		receipt := publish(t, b, text("a", fmt.Sprint(i)))
		if receipt.Position.Epoch != at.Epoch || receipt.Position.Offset != uint64(i+1) {
			t.Fatalf("message %d is at %+v, in epoch %v", i, receipt.Position, at.Epoch)
		}
	}
	page := since(t, b, "a", at, broker.Limit{})
	if len(page.Messages) != 50 {
		t.Fatalf("history has %d messages, want 50", len(page.Messages))
	}
	for i, m := range page.Messages {
		if !m.Follows(at) || string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q at %+v after %+v", i, m.Data, m.Position, at)
		}
		at = m.Position
	}
}

func testParts(t testing.TB, s setup) {
	b := s.open(t, Options{})
	c, at := subscribe(t, b, "a/ü")
	for _, want := range allParts("a/ü") {
		receipt := publish(t, b, want)
		got := c.next(&at)
		want.Named, want.ID = want.ID != "", receipt.ID
		wantParts(t, got, want)
		wantParts(t, newest(t, b, "a/ü"), want)
		if got.Position != receipt.Position || got.Time.IsZero() {
			t.Errorf("at %+v, receipt %+v, time %v", got.Position, receipt.Position, got.Time)
		}
	}
}

// allParts are messages that have between them all that a publisher can set.
func allParts(topic string) []push.Message {
	return []push.Message{
		{Topic: topic, ID: "id-1", Event: "created", Key: "42", Data: []byte("text with \n, \r and \u2028")},
		{Topic: topic, Data: []byte{0, 255, 128, '\n'}, Encoding: push.EncodingBinary},
		{Topic: topic, Data: []byte(`{"a":[1.50,null]}`), Encoding: push.EncodingJSON},
		{Topic: topic, ID: "id-2", Header: map[string]string{"traceparent": "00-4bf9-00f0-01", "empty": "", "": "\x00\xff"}, Data: []byte("x")},
		{Topic: topic},
	}
}

// wantParts compares what the publisher set, and what the broker notes of it.
func wantParts(t testing.TB, got *push.Message, want push.Message) {
	t.Helper()
	if got.Topic != want.Topic || got.ID != want.ID || got.ID == "" || got.Named != want.Named || got.Event != want.Event || got.Key != want.Key ||
		got.Encoding != want.Encoding || !bytes.Equal(got.Data, want.Data) || !maps.Equal(got.Header, want.Header) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func testDataIsCopied(t testing.TB, s setup) {
	b := s.open(t, Options{})
	data, header := []byte("before"), map[string]string{"a": "before"}
	publish(t, b, push.Message{Topic: "a", Data: data, Header: header})
	copy(data, "after!")
	header["a"] = "after"
	if got := newest(t, b, "a"); string(got.Data) != "before" || got.Header["a"] != "before" {
		t.Errorf("what is stored became %q, %v", got.Data, got.Header)
	}
}

func testTopicsAreApart(t testing.TB, s setup) {
	b := s.open(t, Options{})
	ca, a := subscribe(t, b, "a")
	cA, upper := subscribe(t, b, "A")
	if a.Epoch == upper.Epoch {
		t.Error("two topics have the same epoch")
	}
	publish(t, b, text("A", "1"))
	publish(t, b, text("a", "2"))
	if m := ca.next(&a); string(m.Data) != "2" || m.Offset != 1 {
		t.Errorf("a got %q at %d", m.Data, m.Offset)
	}
	if m := cA.next(&upper); string(m.Data) != "1" || m.Offset != 1 {
		t.Errorf("A got %q at %d", m.Data, m.Offset)
	}
}

// testTags publishes the same to two topics. A tag that follows from what was published, or
// from where, can't tell a history from its fork.
func testTags(t testing.TB, s setup) {
	b := s.open(t, Options{})
	same := 0
	const messages = 8
	for i := range messages {
		m := push.Message{ID: fmt.Sprint("id", i), Data: []byte("x")}
		var tags [2]uint32
		for j, topic := range []string{"a", "b"} {
			m.Topic = topic
			tags[j] = publish(t, b, m).Position.Tag
		}
		if tags[0] == tags[1] {
			same++
		}
	}
	if same == messages {
		t.Errorf("the %d tags of two topics are the same", same)
	}
}

func testBadTopics(t testing.TB, s setup) {
	b := s.open(t, Options{})
	for _, topic := range []string{"", strings.Repeat("t", 201), "a\nb", "a*"} {
		c := newCollector(t)
		if _, err := b.Subscribe(t.Context(), topic, c); !errors.Is(push.AsError(err), push.CodeBadRequest) {
			t.Errorf("Subscribe to %q: %v", topic, err)
			b.Unsubscribe(topic, c)
		}
		if _, err := b.Since(t.Context(), topic, broker.Position{Epoch: 1}, broker.Limit{}); !errors.Is(push.AsError(err), push.CodeBadRequest) {
			t.Errorf("Since of %q: %v", topic, err)
		}
		if _, err := b.Recent(t.Context(), topic, broker.Limit{Messages: 1}); !errors.Is(push.AsError(err), push.CodeBadRequest) {
			t.Errorf("Recent of %q: %v", topic, err)
		}
	}
}

func testBadMessages(t testing.TB, s setup) {
	b := s.open(t, Options{MaxMessage: 100})
	tests := []struct {
		name string
		m    push.Message
		want *push.Error
	}{
		{"no topic", text("", "x"), push.NewError(push.CodeBadRequest, "", nil)},
		{"long topic", text(strings.Repeat("t", 201), "x"), push.NewError(push.CodeBadRequest, "", nil)},
		{"topic with line break", text("a\nb", "x"), push.NewError(push.CodeBadRequest, "", nil)},
		{"event with line break", push.Message{Topic: "a", Event: "e\rdata: x"}, push.NewError(push.CodeBadRequest, "", nil)},
		{"reserved event", push.Message{Topic: "a", Event: "tidewire.gap"}, push.NewError(push.CodeBadRequest, "", nil)},
		{"ID with space", push.Message{Topic: "a", ID: "a b"}, push.NewError(push.CodeBadRequest, "", nil)},
		{"key with NUL", push.Message{Topic: "a", Key: "a\x00"}, push.NewError(push.CodeBadRequest, "", nil)},
		{"text that is not UTF-8", push.Message{Topic: "a", Data: []byte{0xff}}, push.NewError(push.CodeBadRequest, "", nil)},
		{"header of 1,025 bytes", push.Message{Topic: "a", Header: map[string]string{"a": strings.Repeat("x", 1024)}}, push.NewError(push.CodeTooLarge, "", nil)},
		{"JSON that is none", push.Message{Topic: "a", Data: []byte("{"), Encoding: push.EncodingJSON}, push.NewError(push.CodeBadRequest, "", nil)},
		{"too large", text("a", strings.Repeat("x", 101)), push.NewError(push.CodeTooLarge, "", nil)},
	}
	for _, test := range tests {
		if _, err := b.Publish(t.Context(), test.m); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if page := recent(t, b, "a", 10); page.Head.Offset != 0 || len(page.Messages) != 0 {
		t.Errorf("something was stored: %+v", page)
	}
	publish(t, b, text("a", strings.Repeat("x", 100)))
}

func testSameID(t testing.TB, s setup) {
	b := s.open(t, Options{})
	c, at := subscribe(t, b, "a")
	m := push.Message{Topic: "a", ID: "once", Data: []byte("1")}
	first := publish(t, b, m)
	again := publish(t, b, m)
	if first.Duplicate || !again.Duplicate || again.Position != first.Position || again.ID != first.ID {
		t.Errorf("first %+v, again %+v", first, again)
	}
	m.Data = []byte("2")
	if _, err := b.Publish(t.Context(), m); !errors.Is(err, push.CodeConflict) {
		t.Errorf("same ID with other data: %v", err)
	}
	other := publish(t, b, push.Message{Topic: "b", ID: "once", Data: []byte("2")})
	if other.Duplicate {
		t.Error("an ID counts in another topic")
	}
	publish(t, b, text("a", "end"))
	if m := c.next(&at); m.ID != "once" {
		t.Errorf("first message is %q", m.ID)
	}
	if m := c.next(&at); string(m.Data) != "end" {
		t.Errorf("second message is %q", m.Data)
	}
}

// testRetryWindow publishes a message until it is no duplicate any more. If duplicates
// extended the window, it would never end.
func testRetryWindow(t testing.TB, s setup) {
	b := s.open(t, Options{Retry: 200 * time.Millisecond})
	m := push.Message{Topic: "a", ID: "once", Data: []byte("1")}
	first := publish(t, b, m)
	testaid.Eventually(t, "the end of the window", func() bool {
		again := publish(t, b, m)
		if again.Duplicate != (again.Position == first.Position) {
			t.Fatalf("first %+v, again %+v", first, again)
		}
		return !again.Duplicate
	})
}

func testSameIDConcurrently(t testing.TB, s setup) {
	b := s.open(t, Options{})
	const publishers = 16
	receipts := make([]push.Receipt, publishers)
	var wait sync.WaitGroup
	for i := range publishers {
		wait.Go(func() {
			receipt, err := b.Publish(context.WithoutCancel(t.Context()), push.Message{Topic: "a", ID: "once", Data: []byte("x")})
			if err != nil {
				t.Errorf("Publish: %v", err)
			}
			receipts[i] = receipt
		})
	}
	wait.Wait()
	originals := 0
	for _, r := range receipts {
		if !r.Duplicate {
			originals++
		}
		if r.Position != receipts[0].Position {
			t.Errorf("positions %+v and %+v", r.Position, receipts[0].Position)
		}
	}
	if head := recent(t, b, "a", 0).Head; originals != 1 || head.Offset != 1 {
		t.Errorf("%d originals, head at %d", originals, head.Offset)
	}
}

// testReplicated holds wherever there are replicas, and wherever there are none.
func testReplicated(t testing.TB, s setup) {
	b := s.open(t, Options{})
	c, at := subscribe(t, b, "a")
	m := push.Message{Topic: "a", ID: "once", Data: []byte("1"), Replicated: true}
	first, err := b.Publish(t.Context(), m)
	if err != nil && !errors.Is(err, push.CodeNotReplicated) {
		t.Fatalf("Publish: %v", err)
	}
	again, err := b.Publish(t.Context(), m)
	if err != nil && !errors.Is(err, push.CodeNotReplicated) {
		t.Fatalf("Publish again: %v", err)
	}
	if first.Position.IsZero() || !again.Duplicate || again.Position != first.Position {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if m := c.next(&at); m.ID != "once" || m.Replicated {
		t.Errorf("got %+v", m)
	}
}
