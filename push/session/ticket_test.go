package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// forger is a broker on which somebody changes what is stored.
type forger struct{ *membroker.Broker }

func (f forger) Take(ctx context.Context, set, key string) ([]byte, error) {
	value, err := f.Broker.Take(ctx, set, key)
	if len(value) > 0 {
		value[len(value)-1]++
	}
	return value, err
}

// storeless is a broker without a store.
type storeless struct{ push.Broker }

// TestTicketIsGoodOnce: a ticket gives the identity that it was made for, to the first
// who has it, in time.
func TestTicketIsGoodOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		ticket := func() string {
			t.Helper()
			ticket, _, err := session.Of(w.hub).Ticket(t.Context(), push.Identity{User: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		first, late := ticket(), ticket()
		if first == late {
			t.Error("two tickets are the same")
		}
		if id, err := session.Of(w.hub).Redeem(t.Context(), first); err != nil || id.User != "ann" {
			t.Errorf("redeemed: %+v, %v", id, err)
		}
		time.Sleep(30 * time.Second)
		for name, ticket := range map[string]string{
			"used": first, "late": late, "empty": "", "short": first[:40], "not base64": "?" + first[1:], "another": strings.Repeat("A", 43),
		} {
			if id, err := session.Of(w.hub).Redeem(t.Context(), ticket); !errors.Is(err, push.CodeUnauthenticated) || id.User != "" {
				t.Errorf("%s: %+v, %v", name, id, err)
			}
		}
	})
}

// TestTicketsThatCantBe: for nobody, and where there is nothing to store them in or what
// is stored was changed.
func TestTicketsThatCantBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, forger{membroker.New()}, push.Options{})
		defer w.shutdown()
		ann := push.Identity{User: "ann"}
		if _, _, err := session.Of(w.hub).Ticket(t.Context(), push.Identity{}); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("for nobody: %v", err)
		}
		ticket, lasts, err := session.Of(w.hub).Ticket(t.Context(), ann)
		if err != nil || lasts != 30*time.Second {
			t.Fatalf("lasts %v, %v", lasts, err)
		}
		if id, err := session.Of(w.hub).Redeem(t.Context(), ticket); !errors.Is(err, push.CodeUnauthenticated) || id.User != "" {
			t.Errorf("changed: %+v, %v", id, err)
		}
		without := newWorld(t, storeless{membroker.New()}, push.Options{})
		defer without.shutdown()
		if _, _, err := session.Of(without.hub).Ticket(t.Context(), ann); push.AsError(err).Code != push.CodeUnsupported {
			t.Errorf("without a store: %v", err)
		}
		if _, err := session.Of(without.hub).Redeem(t.Context(), ticket); !errors.Is(err, push.CodeUnauthenticated) {
			t.Errorf("redeemed without a store: %v", err)
		}
	})
}
