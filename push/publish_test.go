package push_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

func TestPublishMakesAnID(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		before := time.Now().UnixMilli()
		m := push.Message{Topic: "a"}
		if err := m.Prepare(0); err != nil {
			t.Fatal(err)
		}
		id, err := uuid.Parse(m.ID)
		if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 || id.String() != m.ID {
			t.Fatalf("%q is no UUIDv7: %v", m.ID, err)
		}
		sec, nsec := id.Time().UnixTime()
		if at := time.Unix(sec, nsec).UnixMilli(); at < before || at > time.Now().UnixMilli() {
			t.Fatalf("%q is of %d, not of %d", m.ID, at, before)
		}
		if seen[m.ID] {
			t.Fatalf("%q comes twice", m.ID)
		}
		seen[m.ID] = true
	}
}

func TestPublishKeepsAnID(t *testing.T) {
	m := push.Message{Topic: "a", ID: "mine"}
	if err := m.Prepare(0); err != nil || m.ID != "mine" {
		t.Errorf("%q, %v", m.ID, err)
	}
}

// hung is a broker that answers when the context ends.
type hung struct{ push.Broker }

func (hung) Publish(ctx context.Context, _ push.Message) (push.Receipt, error) {
	<-ctx.Done()
	return push.Receipt{}, push.AsError(ctx.Err())
}

func (hung) Recent(ctx context.Context, _ string, _ broker.Limit) (push.Page, error) {
	<-ctx.Done()
	return push.Page{}, push.AsError(ctx.Err())
}

func TestHungBrokerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := push.New(hung{membroker.New()}, push.Options{BrokerTimeout: 2 * time.Second})
		defer hub.Shutdown(context.Background())
		earlier, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for _, test := range []struct {
			ctx  context.Context
			want time.Duration
		}{{earlier, time.Second}, {context.Background(), 2 * time.Second}} {
			start := time.Now()
			_, err := hub.Publish(test.ctx, push.Message{Topic: "a"})
			if took := time.Since(start); !errors.Is(err, push.CodeTimeout) || took != test.want {
				t.Errorf("Publish: %v after %v, want a timeout after %v", err, took, test.want)
			}
		}
		start := time.Now()
		_, _, err := hub.Recent(context.Background(), "a", 1)
		if took := time.Since(start); !errors.Is(err, push.CodeTimeout) || took != 2*time.Second {
			t.Errorf("Recent: %v after %v", err, took)
		}
	})
}

// TestContextHasEndedBeforePublish: no broker is too fast to heed it.
func TestContextHasEndedBeforePublish(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{})
	defer hub.Shutdown(context.Background())
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	if _, err := hub.Publish(ctx, push.Message{Topic: "a"}); !errors.Is(err, push.CodeTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestPrepareGivesAnID(t *testing.T) {
	a, b := push.Message{Topic: "a"}, push.Message{Topic: "a"}
	for _, m := range []*push.Message{&a, &b} {
		if err := m.Prepare(10); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.ID) != 36 || a.ID[14] != '7' || a.ID == b.ID {
		t.Errorf("IDs %q and %q are not two UUIDv7", a.ID, b.ID)
	}
}
