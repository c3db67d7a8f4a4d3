package pushtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
)

func TestRecorderHasWhatWasPublished(t *testing.T) {
	rec := pushtest.NewRecorder(t)
	ctx := t.Context()
	data := []byte("one")
	rec.Publish(ctx, push.Message{Topic: "a", Data: data, ID: "1", Header: map[string]string{"trace": "x"}})
	data[0] = 'x'
	if receipt, err := rec.Publish(ctx, push.Message{Topic: "a", Data: []byte("one"), ID: "1"}); err != nil || !receipt.Duplicate {
		t.Errorf("a repeat is %v, %v", receipt, err)
	}
	rec.PublishJSON(ctx, "a", []int{1})
	rec.PublishAll(ctx, push.Message{Data: []byte{1, 2}, Encoding: push.EncodingBinary}, "b", "c", "b")
	rec.Set(ctx, push.Message{Topic: "s", Key: "k", Data: []byte("v"), TTL: time.Minute})
	rec.Append(ctx, push.Message{Topic: "s", Key: "k", Data: []byte("w")})
	rec.Touch(ctx, push.Message{Topic: "s", Key: "k"})
	rec.Delete(ctx, push.Message{Topic: "s", Key: "k"})

	rec.Expect("a", push.Message{ID: "1", Data: []byte("one"), Header: map[string]string{"trace": "x"}})
	rec.Expect("a", []int{1})
	rec.Expect("b", []byte{1, 2})
	rec.None("a", "b")
	rec.Expect("c", func(m *push.Message) error {
		if m.Offset != 1 {
			return fmt.Errorf("offset %d", m.Offset)
		}
		return nil
	})
	rec.Expect("s", push.Message{Op: broker.OpSet, Key: "k", Data: []byte("v"), TTL: time.Minute}, push.Message{Op: broker.OpAppend}, push.Message{Op: broker.OpTouch}, push.Message{Op: broker.OpDelete})
	rec.None()
	if got := rec.Messages("a"); len(got) != 2 || string(got[0].Data) != "one" {
		t.Errorf("got %v", got)
	}
}

func TestRecorderRefusesWhatABrokerDoes(t *testing.T) {
	rec := pushtest.NewRecorder(t)
	ctx := t.Context()
	rec.Publish(ctx, push.Message{Topic: "log"})
	rec.Set(ctx, push.Message{Topic: "state", Key: "k"})
	for name, c := range map[string]struct {
		m    push.Message
		want push.Code
	}{
		"a bad topic":           {push.Message{Topic: "a*"}, push.CodeBadRequest},
		"too much":              {push.Message{Topic: "a", Data: []byte(strings.Repeat("x", 65<<10))}, push.CodeTooLarge},
		"a message for a state": {push.Message{Topic: "state"}, push.CodeWrongKind},
		"a key for a log":       {push.Message{Topic: "log", Op: broker.OpSet, Key: "k"}, push.CodeWrongKind},
		"a key that is there":   {push.Message{Topic: "state", Op: broker.OpSet, Key: "k", IfAbsent: true}, push.CodeConflict},
	} {
		if _, err := rec.Publish(ctx, c.m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rec.PublishJSON(ctx, "a", make(chan int)); !errors.Is(err, push.CodeBadRequest) {
		t.Error(err)
	}
	fault := errors.New("away")
	rec.Fail(fault)
	if _, err := rec.Set(ctx, push.Message{Topic: "state", Key: "l"}); err != fault {
		t.Error(err)
	}
	rec.Fail(nil)
	rec.Expect("log", "")
	rec.Expect("state", push.Message{Key: "k"})
	rec.None()
	ruled := pushtest.NewRecorder(t, membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
	if _, err := ruled.Set(ctx, push.Message{Topic: "other", Key: "k"}); !errors.Is(err, push.CodeWrongKind) {
		t.Error(err)
	}
}

// TestRecorderWaits: for code that publishes later, in real and in virtual time.
func TestRecorderWaits(t *testing.T) {
	later := func(t *testing.T) {
		rec := pushtest.NewRecorder(t)
		go rec.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("one")})
		rec.Expect("a", "one")
		rec.None()
	}
	t.Run("as it is", later)
	t.Run("in a bubble", func(t *testing.T) { synctest.Test(t, later) })
	synctest.Test(t, func(t *testing.T) {
		rec := pushtest.NewRecorder(t)
		go func() {
			time.Sleep(5 * time.Second)
			rec.Publish(context.Background(), push.Message{Topic: "a", Data: []byte("one")})
		}()
		rec.None()
		begin := time.Now()
		rec.Expect("a", "one")
		if waited := time.Since(begin); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestBubbleIsKnown: it is found by the text of a stack, which another version of Go may write
// otherwise.
func TestBubbleIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says(t, watched(t, func(t testing.TB) {
			rec := pushtest.NewRecorder(t)
			for range 10 {
				go rec.Publish(context.Background(), push.Message{Topic: "a"})
			}
			rec.None()
		}), "10 published that nobody has expected")
	})
}

func TestRecorderSaysWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says(t, watched(t, func(t testing.TB) {
			rec := pushtest.NewRecorder(t)
			rec.Publish(context.Background(), push.Message{Topic: "b", Data: []byte("one")})
			rec.Expect("a", "one")
		}), `recorder: "a": message 1 of 1 didn't come within 10s`, `want text "one"`, `"b": text "one"`)
		says(t, watched(t, func(t testing.TB) { pushtest.NewRecorder(t).Expect("a", "one") }), "nothing was published")
		says(t, watched(t, func(t testing.TB) {
			rec := pushtest.NewRecorder(t)
			rec.Publish(context.Background(), push.Message{Topic: "a", Key: "k", Data: []byte("one")})
			rec.None("b")
			rec.None()
		}), "1 published that nobody has expected", `"a": key "k", text "one"`)
		for want, parts := range map[any][]string{
			"two":                 {"the data is another", `want text "two"`, `got  "a": event "e", id "1", JSON {"n":1}`},
			push.CodeConflict:     {"want \"conflict\", got {\"n\":1}"},
			struct{ N int }{1}:    {`.N: want 1, which isn't there`, `.n: got 1, which isn't wanted`},
			pushtest.Gap("fork"):  {"want a gap fork"},
			pushtest.Reset(""):    {"want a reset"},
			pushtest.Refused("x"): {"want a refusal x"},
		} {
			says(t, watched(t, func(t testing.TB) {
				rec := pushtest.NewRecorder(t)
				rec.Publish(context.Background(), push.Message{Topic: "a", Event: "e", ID: "1", Data: []byte(`{"n":1}`), Encoding: push.EncodingJSON})
				rec.Expect("a", want)
			}), parts...)
		}
	})
}
