package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// distant is a broker of which each call takes two milliseconds.
type distant struct {
	shared
	calls atomic.Int64
}

func (b *distant) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	b.calls.Add(1)
	time.Sleep(2 * time.Millisecond) //clock:virtual
	return b.shared.Publish(ctx, m)
}

func (b *distant) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) ([]string, error) {
	b.calls.Add(1)
	time.Sleep(2 * time.Millisecond) //clock:virtual
	return b.shared.Renew(ctx, topic, keys, ttl)
}

func newDistant() *distant { return &distant{shared: shared{Broker: membroker.New()}} }

// TestMembersOfManyRoomsStay: renewing each takes a call, and all have to be renewed in time.
func TestMembersOfManyRoomsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newDistant(), presenceOptions())
		defer w.shutdown()
		const rooms = 8000
		for i := range rooms {
			w.subscribe(w.open(newConn()), "", fmt.Sprint("room/", i))
		}
		for range 10 {
			time.Sleep(4 * time.Second) //clock:virtual
			there := 0
			for i := range rooms {
				n, err := w.hub.MemberCount(t.Context(), fmt.Sprint("room/", i))
				if err != nil {
					t.Fatal(err)
				}
				there += n
			}
			if there != rooms {
				t.Errorf("%d members of %d rooms", there, rooms)
			}
		}
	})
}

// TestMembersThatFindNoRoomCostLittle: those past what a topic lists are tried again, a few at
// a time, and come in when others have gone.
func TestMembersThatFindNoRoomCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newDistant()
		w := newWorld(t, b, presenceOptions())
		defer w.shutdown()
		const most, more = 10_000, 3000
		var sessions []*session.Session
		for i := range most + more {
			sessions = append(sessions, w.enterAs(fmt.Sprint("user", i)))
		}
		time.Sleep(10 * time.Second) //clock:virtual
		before := b.calls.Load()
		time.Sleep(10 * time.Second) //clock:virtual
		if n := b.calls.Load() - before; n > 1000 {
			t.Errorf("%d calls in 10 seconds in which nothing happened", n)
		}
		for _, s := range sessions[:more] {
			closed(s)
		}
		time.Sleep(time.Minute) //clock:virtual
		if n, err := w.hub.MemberCount(t.Context(), "room/a"); n != most || err != nil {
			t.Errorf("%d members, %v", n, err)
		}
	})
}

// nothing panics when it is encoded.
type nothing struct{}

func (nothing) MarshalJSON() ([]byte, error) { panic("there is nothing") }

// TestMembersOfEveryKindAreThere, whatever they are called, and whatever Options.Member says.
func TestMembersOfEveryKindAreThere(t *testing.T) {
	deep := any(1)
	for range 70 {
		deep = []any{deep}
	}
	names := []string{"ann", strings.Repeat("x", 9000), strings.Repeat("\x01", 1000), strings.Repeat("<", 1024), "\xff", "~ann", " ", "a\nb"}
	said := map[string]any{
		"nothing": nil, "a panic": nothing{}, "what is too deep": deep, "what is no JSON": make(chan int),
		"what is too long": strings.Repeat("x", 2000), "what is as long as may be": strings.Repeat("<", 170),
	}
	for name, says := range said {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := presenceOptions()
				options.Member = func(push.Identity) any { return says }
				b := newDistant()
				w := newWorld(t, b, options)
				defer w.shutdown()
				for _, user := range names {
					w.enterAs(user)
				}
				time.Sleep(time.Second) //clock:virtual
				if n, err := w.hub.MemberCount(t.Context(), "room/a"); n != len(names) || err != nil {
					t.Errorf("%d members, %v", n, err)
				}
				if n := b.calls.Load(); n != int64(len(names)) {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}
