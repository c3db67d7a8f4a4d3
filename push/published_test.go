package push_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

func TestPublishJSON(t *testing.T) {
	hub := push.New(membroker.New(membroker.Options{MaxMessage: 100}), push.Options{})
	defer hub.Shutdown(context.Background())
	receipt, err := hub.PublishJSON(t.Context(), "a", map[string]any{"text": "<b>", "n": 1.5})
	if err != nil || receipt.Position.Offset != 1 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	messages, _, err := hub.Recent(t.Context(), "a", 1)
	if err != nil || string(messages[0].Data) != `{"n":1.5,"text":"\u003cb\u003e"}` || messages[0].Encoding != push.EncodingJSON {
		t.Errorf("stored %+v, %v", messages, err)
	}
	for name, v := range map[string]any{"a func": func() {}, "infinity": math.Inf(1), "bad raw JSON": json.RawMessage("{")} {
		_, err := hub.PublishJSON(t.Context(), "a", v)
		if e := push.AsError(err); !errors.Is(err, push.CodeBadRequest) || e.Cause == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := hub.PublishJSON(t.Context(), "a", make([]int, 100)); !errors.Is(err, push.CodeTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if n := hub.Stats().Published; n != 1 {
		t.Errorf("%d were published", n)
	}
}

// oneByOne is a broker that notes what it is asked for, and can't publish to several topics
// at once.
type oneByOne struct {
	push.Broker
	topics []string
}

func (b *oneByOne) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	b.topics = append(b.topics, m.Topic)
	if m.Topic == "down" {
		return push.Receipt{}, push.CodeUnavailable
	}
	return b.Broker.Publish(ctx, m)
}

// TestPublishAllWithAnyBroker: each topic once, in order, and none stops the others.
func TestPublishAllWithAnyBroker(t *testing.T) {
	b := &oneByOne{Broker: membroker.New()}
	hub := push.New(b, push.Options{})
	defer hub.Shutdown(context.Background())
	all := hub.PublishAll(t.Context(), push.Message{Data: []byte("x")}, "b", "down", "a", "b")
	if !slices.Equal(b.topics, []string{"b", "down", "a"}) {
		t.Errorf("published to %q", b.topics)
	}
	if len(all) != 4 || all[0] != all[3] || all[0].Err != nil || all[2].Err != nil || !errors.Is(all[1].Err, push.CodeUnavailable) || all[1].Topic != "down" {
		t.Errorf("got %+v", all)
	}
	if n := hub.Stats().Published; n != 2 {
		t.Errorf("%d were published", n)
	}
}

// TestPublishAllGivesUp: all topics together have the time of one Publish.
func TestPublishAllGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := push.New(hung{membroker.New()}, push.Options{BrokerTimeout: 2 * time.Second})
		defer hub.Shutdown(context.Background())
		start := time.Now()
		for _, p := range hub.PublishAll(context.Background(), push.Message{}, "a", "b", "c") {
			if !errors.Is(p.Err, push.CodeTimeout) {
				t.Errorf("%+v", p)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
