package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// byHeader knows a user by a header, and when they logged in by another.
func byHeader(r *http.Request) (push.Identity, error) {
	id := push.Identity{User: r.Header.Get("User")}
	if issued := r.Header.Get("Issued"); issued != "" {
		var err error
		if id.Issued, err = time.Parse(time.RFC3339Nano, issued); err != nil {
			return id, err
		}
	}
	return id, nil
}

// identify makes a request of a user, who logged in at a time if that isn't zero.
func (w *world) identify(user string, issued time.Time) error {
	r := &http.Request{Header: http.Header{"User": {user}}}
	if !issued.IsZero() {
		r.Header.Set("Issued", issued.Format(time.RFC3339Nano))
	}
	_, err := session.Of(w.hub).Identify(r)
	return err
}

func (w *world) login(c *fakeConn, user string, topics ...string) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{Identity: push.Identity{User: user}, Format: w.format, Conn: c})
	if err != nil {
		w.t.Fatal(err)
	}
	w.subscribe(s, "", topics...)
	return s
}

func (w *world) revoke(r push.Revocation) {
	w.t.Helper()
	if err := w.hub.Revoke(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

// wantEnd fails unless a client was told just this, and ended with a code; "" hasn't
// ended.
func wantEnd(t *testing.T, what string, c *fakeConn, got string, code push.Code) {
	t.Helper()
	ended, reason := c.end()
	if ended != (code != "") || ended && (reason == nil || reason.Code != code) {
		t.Errorf("%s: ended %v with %v, want %q", what, ended, reason, code)
	}
	if words := c.take(); words != got {
		t.Errorf("%s got %s, want %s", what, words, got)
	}
}

func TestRevokedUserIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{
			Identify: byHeader,
			Receive:  func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil },
		})
		defer w.shutdown()
		conns := map[string]*fakeConn{"eve": newConn(), "eve again": newConn(), "bob": newConn(), "": newConn()}
		for name, c := range conns {
			user, _, _ := strings.Cut(name, " ")
			w.login(c, user, "a")
		}
		slow := stalledConn()
		w.login(slow, "eve", "a")
		synctest.Wait()
		w.publish("a", "1")
		w.publish("a", "2")
		synctest.Wait()
		w.revoke(push.Revocation{User: "eve", For: time.Hour})
		revoked := time.Now()
		w.publish("a", "3")
		slow.Abort() // it reads on, and gets what was being written
		synctest.Wait()
		wantEnd(t, "eve", conns["eve"], "[hello 1 2]", push.CodeForbidden)
		wantEnd(t, "eve again", conns["eve again"], "[hello 1 2]", push.CodeForbidden)
		wantEnd(t, "eve, slowly,", slow, "[hello]", push.CodeForbidden)
		wantEnd(t, "bob", conns["bob"], "[hello 1 2 3]", "")
		wantEnd(t, "nobody", conns[""], "[hello 1 2 3]", "")

		past := revoked.Add(-time.Second)
		for _, issued := range []time.Time{{}, past, revoked, revoked.Add(time.Second)} {
			if err := w.identify("eve", issued); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("eve of %v: %v", issued, err)
			}
		}
		for user, issued := range map[string]time.Time{"eve": revoked.Add(time.Second + 1), "bob": past, "": {}, "Eve": {}} {
			if err := w.identify(user, issued); err != nil {
				t.Errorf("%q of %v: %v", user, issued, err)
			}
		}
		in := push.Inbound{Identity: push.Identity{User: "eve"}, Topic: "a", Data: []byte("x")}
		if _, err := session.Of(w.hub).Inbound(t.Context(), in); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("Inbound: %v", err)
		}
		time.Sleep(time.Hour)
		if err := w.identify("eve", time.Time{}); err != nil {
			t.Errorf("eve after an hour: %v", err)
		}
	})
}

func TestRevokedSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Identify: byHeader})
		defer w.shutdown()
		mine, other := newConn(), newConn()
		s := w.login(mine, "eve", "a")
		w.login(other, "eve", "a")
		synctest.Wait()
		w.revoke(push.Revocation{Session: s.ID()})
		<-s.Done()
		wantEnd(t, "the session", mine, "[hello]", push.CodeForbidden)
		wantEnd(t, "another", other, "[hello]", "")
		if err := w.identify("eve", time.Time{}); err != nil {
			t.Error(err)
		}
	})
}

func TestRevokedTopicIsLost(t *testing.T) {
	for _, user := range []string{"", "eve"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil, push.Options{Receive: func(context.Context, push.Inbound) (push.Reply, error) {
				return push.Reply{}, nil
			}})
			defer w.shutdown()
			eve, bob, elsewhere := newConn(), newConn(), newConn()
			w.login(eve, "eve", "a", "b")
			w.login(bob, "bob", "a", "b")
			w.login(elsewhere, "eve", "b")
			w.publish("a", "1")
			cursor := w.cursor("a", "b")
			synctest.Wait()
			w.revoke(push.Revocation{User: user, Topic: "a", For: time.Hour})
			w.publish("a", "2")
			w.publish("b", "3")
			synctest.Wait()
			wantEnd(t, "eve", eve, "[hello 1 reconnect]", push.CodeDraining)
			wantEnd(t, "eve elsewhere", elsewhere, "[hello 3]", "")
			again, gotBob, codeBob := newConn(), "[hello 1 2 3]", push.Code("")
			if user == "" {
				gotBob, codeBob = "[hello 1 reconnect]", push.CodeDraining
			}
			wantEnd(t, "bob", bob, gotBob, codeBob)
			s := w.login(again, "eve")
			w.subscribe(s, cursor, "a", "b")
			synctest.Wait()
			wantEnd(t, "eve again", again, "[hello hello forbidden 3]", "")
			send := func(user string) error {
				in := push.Inbound{Identity: push.Identity{User: user}, Topic: "a", Data: []byte("x")}
				_, err := session.Of(w.hub).Inbound(t.Context(), in)
				return err
			}
			if err := send("eve"); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("eve sends: %v", err)
			}
			if err := send("bob"); errors.Is(err, push.CodeForbidden) != (user == "") {
				t.Errorf("bob sends: %v", err)
			}
			if err := w.hub.Restore(t.Context(), push.Revocation{User: user, Topic: "a", For: time.Hour}); err != nil {
				t.Fatal(err)
			}
			if err := send("eve"); err != nil {
				t.Errorf("eve sends after Restore: %v", err)
			}
			w.revoke(push.Revocation{User: user, Topic: "a", For: time.Hour})
			if err := send("eve"); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("eve sends after one more: %v", err)
			}
		})
	}
}

// TestRevokedMeanwhile has clients on their way in, whom a revocation must not miss:
// one that is identified but has no session, and one whose topic is being authorized.
func TestRevokedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		w := newWorld(t, nil, push.Options{Identify: byHeader, Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic == "slow" {
				close(asked)
				<-answer
			}
			return nil
		}})
		defer w.shutdown()
		if err := w.identify("eve", time.Time{}); err != nil {
			t.Fatal(err)
		}
		late, c := newConn(), newConn()
		s := w.login(c, "bob")
		go func() {
			<-asked
			w.revoke(push.Revocation{User: "eve"})
			w.revoke(push.Revocation{Topic: "slow"})
			synctest.Wait() // all sessions have been looked at
			close(answer)
		}()
		s.Subscribe(t.Context(), []session.Follow{{Topic: "slow"}}, hello)
		w.publish("slow", "x")
		<-s.Done()
		if ended, reason := c.end(); !ended || reason.Code != push.CodeDraining {
			t.Errorf("the follower ended %v with %v", ended, reason)
		}
		if got := c.take(); strings.Contains(got, "x") || !strings.HasSuffix(got, "reconnect]") {
			t.Errorf("the follower got %s", got)
		}
		s, err := session.Of(w.hub).Open(session.Client{Identity: push.Identity{User: "eve"}, Format: w.format, Conn: late})
		if err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		wantEnd(t, "the late one", late, "[]", push.CodeForbidden)
	})
}

func TestBadRevocationsAreRefused(t *testing.T) {
	w := newWorld(t, nil, push.Options{})
	defer w.shutdown()
	id := "0192f0c1-2345-7abc-8def-0123456789ab"
	for _, r := range []push.Revocation{
		{}, {For: time.Hour}, {Session: "x"}, {Session: id, User: "eve"}, {Session: id, Topic: "a"}, {Topic: "a*"},
		{Topic: "tidewire.control"}, {User: "\xff"}, {User: strings.Repeat("x", 1025)},
	} {
		if err := w.hub.Revoke(t.Context(), r); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("%+v: %v", r, err)
		}
		if err := w.hub.Restore(t.Context(), r); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("Restore %+v: %v", r, err)
		}
	}
	if err := w.hub.Restore(t.Context(), push.Revocation{Session: id}); !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("Restore of a session: %v", err)
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Identify: byHeader})
		defer w.shutdown()
		for i := range 10_000 {
			w.revoke(push.Revocation{User: fmt.Sprint(i), For: time.Hour})
		}
		if err := w.hub.Revoke(t.Context(), push.Revocation{User: "eve"}); !errors.Is(err, push.CodeLimitReached) {
			t.Errorf("one more: %v", err)
		}
		w.revoke(push.Revocation{User: "7"}) // nothing new
		time.Sleep(time.Hour)
		w.revoke(push.Revocation{User: "eve"})
		if err := w.identify("7", time.Time{}); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("the one that was revoked again: %v", err)
		}
	})
}

// patchyBroker is one instance's view of a broker: its store can't be read while that is
// down, and it misses what is told while it is deaf.
type patchyBroker struct {
	*membroker.Broker
	down, deaf, full atomic.Bool
	receiver         push.Receiver
}

func (b *patchyBroker) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	if b.full.Load() {
		return nil, push.CodeUnavailable
	}
	return b.Broker.Put(ctx, set, key, v)
}

func (b *patchyBroker) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	if b.down.Load() {
		return nil, push.CodeUnavailable
	}
	return b.Broker.All(ctx, set)
}

func (b *patchyBroker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	if strings.HasPrefix(topic, broker.ReservedTopicPrefix) {
		b.receiver = r
		return b.Broker.Subscribe(ctx, topic, b)
	}
	return b.Broker.Subscribe(ctx, topic, r)
}

func (b *patchyBroker) Unsubscribe(topic string, r push.Receiver) {
	if r == b.receiver {
		r = b
	}
	b.Broker.Unsubscribe(topic, r)
}

func (b *patchyBroker) Receive(m *push.Message) {
	if !b.deaf.Load() {
		b.receiver.Receive(m)
	}
}

func (b *patchyBroker) Break(gap broker.Gap)        { b.receiver.Break(gap) }
func (b *patchyBroker) Close(context.Context) error { return nil }

// TestUnknownRevocationsLetNobodyIn has an instance that can't read what is revoked:
// it admits nobody whom that may concern, and heals by itself.
func TestUnknownRevocationsLetNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := membroker.New()
		defer broker.Close(context.Background())
		first := newWorld(t, &patchyBroker{Broker: broker}, push.Options{Identify: byHeader})
		defer first.shutdown()
		first.revoke(push.Revocation{User: "eve"})

		patchy := &patchyBroker{Broker: broker}
		patchy.down.Store(true)
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		for range 3 {
			if err := w.identify("bob", time.Time{}); !errors.Is(err, push.CodeUnavailable) {
				t.Errorf("bob: %v", err)
			}
		}
		c := newConn()
		w.login(c, "", "a")
		synctest.Wait()
		wantEnd(t, "an anonymous client", c, "[hello unavailable]", "")
		if err := w.hub.Revoke(t.Context(), push.Revocation{User: "x"}); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("Revoke: %v", err)
		}
		patchy.down.Store(false)
		time.Sleep(time.Second)
		if err := w.identify("bob", time.Time{}); err != nil {
			t.Errorf("bob, later: %v", err)
		}
		if err := w.identify("eve", time.Time{}); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("eve: %v", err)
		}
	})
}

// TestMissedRevocationIsRead has an instance that hears nothing of a revocation until
// the broker tells it of a gap.
func TestMissedRevocationIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		first := newWorld(t, &patchyBroker{Broker: b}, push.Options{})
		defer first.shutdown()
		patchy := &patchyBroker{Broker: b}
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		c := newConn()
		w.login(c, "eve", "a")
		patchy.deaf.Store(true)
		first.revoke(push.Revocation{User: "eve"})
		synctest.Wait()
		wantEnd(t, "eve", c, "[hello]", "")
		patchy.down.Store(true)
		patchy.Break(broker.Gap{Reason: broker.GapTrimmed})
		synctest.Wait()
		patchy.down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		wantEnd(t, "eve", c, "[]", push.CodeForbidden)

		first.revoke(push.Revocation{User: "bob"})
		patchy.down.Store(true)
		patchy.Break(broker.Gap{Reason: broker.GapTrimmed})
		if err := w.identify("bob", time.Time{}); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("bob, while it isn't known: %v", err)
		}
		patchy.down.Store(false)
		time.Sleep(time.Second)
		if err := w.identify("bob", time.Time{}); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("bob, later: %v", err)
		}
	})
}

// TestRevocationOutlivesTheStore has a store that loses its data, as in a failover:
// who knows of a revocation stores it again, so that a new instance learns of it; and
// a Restore isn't undone by that.
func TestRevocationOutlivesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		patchy := &patchyBroker{Broker: b}
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		w.revoke(push.Revocation{User: "eve"})
		w.revoke(push.Revocation{User: "bob"})
		if err := w.hub.Restore(t.Context(), push.Revocation{User: "bob"}); err != nil {
			t.Fatal(err)
		}
		all, err := b.All(t.Context(), "revocations")
		if err != nil || len(all) != 2 {
			t.Fatalf("%d are stored, %v", len(all), err)
		}
		for key := range all {
			if _, err := b.Take(t.Context(), "revocations", key); err != nil {
				t.Fatal(err)
			}
		}
		patchy.Break(broker.Gap{Reason: broker.GapEpoch})
		synctest.Wait()
		late := newWorld(t, &patchyBroker{Broker: b}, push.Options{Identify: byHeader})
		defer late.shutdown()
		for _, w := range []*world{w, late} {
			if err := w.identify("eve", time.Time{}); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("eve: %v", err)
			}
			if err := w.identify("bob", time.Time{}); err != nil {
				t.Errorf("bob: %v", err)
			}
		}
	})
}

// told is what an instance tells of a revocation that it has decided at a time of its
// own clock.
func told(user string, at time.Time, lasts time.Duration) []byte {
	return fmt.Appendf(nil, `{"user":%q,"at":%q,"for":%d}`, user, at.Format(time.RFC3339Nano), lasts.Milliseconds())
}

// TestOldCopyOfTheStoreIsPutRight has a store that comes back as it was before a user was
// revoked once more. An instance that knows better puts that right, and those that have
// believed the store hear of it.
func TestOldCopyOfTheStoreIsPutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		patchy := &patchyBroker{Broker: b}
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		w.revoke(push.Revocation{User: "eve"})
		if err := w.hub.Restore(t.Context(), push.Revocation{User: "eve"}); err != nil {
			t.Fatal(err)
		}
		copied, err := b.All(t.Context(), "revocations")
		if err != nil || len(copied) != 1 {
			t.Fatalf("%d are stored, %v", len(copied), err)
		}
		w.revoke(push.Revocation{User: "eve"})
		for key, v := range copied {
			if _, err := b.Take(t.Context(), "revocations", key); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Put(t.Context(), "revocations", key, v); err != nil {
				t.Fatal(err)
			}
		}
		start := func() *world {
			return newWorld(t, &patchyBroker{Broker: b}, push.Options{Identify: byHeader})
		}
		early := start()
		defer early.shutdown()
		c := newConn()
		early.login(c, "eve", "a")
		synctest.Wait()
		wantEnd(t, "eve, as long as nobody can know,", c, "[hello]", "")
		patchy.Break(broker.Gap{Reason: broker.GapFork})
		synctest.Wait()
		wantEnd(t, "eve", c, "[]", push.CodeForbidden)
		late := start()
		defer late.shutdown()
		for _, w := range []*world{w, early, late} {
			if err := w.identify("eve", time.Time{}); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("eve: %v", err)
			}
		}
	})
}

// TestFullStoreIsPutRightLater has a store that takes nothing for a while after it has lost
// its data. Those who are known meanwhile come in.
func TestFullStoreIsPutRightLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		patchy := &patchyBroker{Broker: b}
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		w.revoke(push.Revocation{User: "eve"})
		if _, err := b.Take(t.Context(), "revocations", `{"user":"eve"}`); err != nil {
			t.Fatal(err)
		}
		patchy.full.Store(true)
		patchy.Break(broker.Gap{Reason: broker.GapEpoch})
		time.Sleep(time.Minute)
		for user, want := range map[string]error{"eve": push.CodeForbidden, "bob": nil} {
			if err := w.identify(user, time.Time{}); !errors.Is(err, want) {
				t.Errorf("%s: %v", user, err)
			}
		}
		patchy.full.Store(false)
		time.Sleep(time.Minute)
		if stored, err := b.All(t.Context(), "revocations"); err != nil || len(stored) != 1 {
			t.Errorf("%d are stored, %v", len(stored), err)
		}
	})
}

// TestLaterCallHoldsUnheard has two instances that don't hear of each other, with clocks
// that differ: of two calls about the same the later one holds.
func TestLaterCallHoldsUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membroker.New()
		defer b.Close(context.Background())
		patchy := &patchyBroker{Broker: b}
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		if err := w.identify("eve", time.Time{}); err != nil { // it has read what is stored
			t.Fatal(err)
		}
		patchy.deaf.Store(true)
		ahead := time.Now().Add(time.Minute)
		v := broker.Stored{Value: told("eve", ahead, time.Hour), Version: uint64(ahead.UnixMicro()), TTL: time.Hour}
		if there, err := b.Put(t.Context(), "revocations", `{"user":"eve"}`, v); there != nil || err != nil {
			t.Fatal(there, err)
		}
		if err := w.hub.Restore(t.Context(), push.Revocation{User: "eve", For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		late := newWorld(t, &patchyBroker{Broker: b}, push.Options{Identify: byHeader})
		defer late.shutdown()
		for _, w := range []*world{w, late} {
			if err := w.identify("eve", time.Time{}); err != nil {
				t.Errorf("eve: %v", err)
			}
		}
	})
}

// TestClocksMayDiffer has an instance decide whose clock is an hour off: on every other a
// revocation holds for as long as it was meant to, whether it was told or read.
func TestClocksMayDiffer(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := membroker.New()
				defer b.Close(context.Background())
				patchy := &patchyBroker{Broker: b}
				heard := newWorld(t, patchy, push.Options{Identify: byHeader})
				defer heard.shutdown()
				c := newConn()
				s := heard.login(c, "ann", "a")
				synctest.Wait()
				at := time.Now().Add(skew)
				value := told("eve", at, time.Minute)
				patchy.receiver.Receive(&push.Message{Event: "revocation", Data: value})
				v := broker.Stored{Value: value, Version: uint64(at.UnixMicro()), TTL: time.Minute}
				if _, err := b.Put(t.Context(), "revocations", `{"user":"eve"}`, v); err != nil {
					t.Fatal(err)
				}
				patchy.receiver.Receive(&push.Message{Event: "revocation", Data: fmt.Appendf(nil,
					`{"session":%q,"at":%q,"for":60000}`, s.ID(), at.Format(time.RFC3339Nano))})
				synctest.Wait()
				wantEnd(t, "the session", c, "[hello]", push.CodeForbidden)
				read := newWorld(t, &patchyBroker{Broker: b}, push.Options{Identify: byHeader})
				defer read.shutdown()
				want := func(out bool) {
					t.Helper()
					for _, w := range []*world{heard, read} {
						if err := w.identify("eve", time.Time{}); errors.Is(err, push.CodeForbidden) != out {
							t.Errorf("eve: %v", err)
						}
					}
				}
				want(true)
				time.Sleep(time.Minute - time.Millisecond)
				want(true)
				time.Sleep(time.Millisecond)
				want(false)
			})
		})
	}
}

// TestIssuersClockMayDiffer by a second from that of the instance that revokes: nobody
// who was identified before the call slips through.
func TestIssuersClockMayDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Identify: byHeader})
		defer w.shutdown()
		issued := func(skew time.Duration) time.Time { return time.Now().Add(skew) }
		before := map[time.Duration]time.Time{}
		for _, skew := range []time.Duration{-time.Hour, -time.Second, 0, time.Second} {
			before[skew] = issued(skew)
		}
		w.revoke(push.Revocation{User: "eve"})
		for skew, issued := range before {
			if err := w.identify("eve", issued); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("identified before, by a clock that is %v ahead: %v", skew, err)
			}
		}
		time.Sleep(2*time.Second + time.Millisecond)
		for _, skew := range []time.Duration{-time.Second, 0, time.Second} {
			if err := w.identify("eve", issued(skew)); err != nil {
				t.Errorf("identified later, by a clock that is %v ahead: %v", skew, err)
			}
		}
	})
}

// TestHeardRevocationsAreBounded has an instance hear of more than anybody may decide on.
// What has expired makes room; while there is none, nobody is let in whom it may concern,
// and that is logged.
func TestHeardRevocationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		patchy := &patchyBroker{Broker: membroker.New()}
		defer patchy.Broker.Close(context.Background())
		var log bytes.Buffer
		w := newWorld(t, patchy, push.Options{Identify: byHeader, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer w.shutdown()
		c := newConn()
		w.login(c, "bob", "a")
		hear := func(from, n int, lasts time.Duration) {
			for i := range n {
				user := fmt.Sprint(from + i)
				data := told(user, time.Now(), lasts)
				v := broker.Stored{Value: data, Version: uint64(time.Now().UnixMicro()), TTL: lasts}
				if _, err := patchy.Put(t.Context(), "revocations", fmt.Sprintf(`{"user":%q}`, user), v); err != nil {
					t.Fatal(err)
				}
				patchy.receiver.Receive(&push.Message{Event: "revocation", Data: data})
				session := fmt.Appendf(nil, `{"session":%q,"at":%q,"for":60000}`, uuid.New(), time.Now().Format(time.RFC3339Nano))
				patchy.receiver.Receive(&push.Message{Event: "revocation", Data: session})
			}
			synctest.Wait()
		}
		wantKnown := func(most int) {
			t.Helper()
			if n := w.hub.Stats().Revocations; n > most {
				t.Errorf("%d are kept, want %d", n, most)
			}
		}
		for round := range 3 {
			hear(round*10_000, 10_000, time.Second)
			time.Sleep(time.Second)
			wantKnown(11_000)
		}
		time.Sleep(time.Minute)
		hear(-1, 1, time.Second)
		wantKnown(1)
		time.Sleep(time.Second)
		hear(100_000, 11_000, time.Minute)
		if got := log.String(); got != "" {
			t.Errorf("logged:\n%s", got)
		}
		hear(200_000, 1, time.Minute)
		wantKnown(11_000)
		if err := w.identify("bob", time.Time{}); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("bob: %v", err)
		}
		if got := log.String(); !strings.Contains(got, "too many revocations") {
			t.Errorf("logged:\n%s", got)
		}
		wantEnd(t, "bob", c, "[hello]", "") // he is here, and nothing is known against him
		time.Sleep(2 * time.Minute)
		if err := w.identify("bob", time.Time{}); err != nil {
			t.Errorf("bob, later: %v", err)
		}
	})
}

// TestLaterDecisionHolds has what was told come late, and clocks that differ.
func TestLaterDecisionHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		patchy := &patchyBroker{Broker: membroker.New()}
		defer patchy.Broker.Close(context.Background())
		w := newWorld(t, patchy, push.Options{Identify: byHeader})
		defer w.shutdown()
		tell := func(at time.Time) {
			patchy.receiver.Receive(&push.Message{Event: "revocation", Data: told("eve", at, time.Hour)})
		}
		want := func(what string, out bool) {
			t.Helper()
			if err := w.identify("eve", time.Time{}); errors.Is(err, push.CodeForbidden) != out {
				t.Errorf("%s: %v", what, err)
			}
		}
		want("before", false)
		ahead := time.Now().Add(time.Minute) // by the clock of another instance
		tell(ahead)
		want("revoked", true)
		if err := w.hub.Restore(t.Context(), push.Revocation{User: "eve"}); err != nil {
			t.Fatal(err)
		}
		want("restored", false)
		tell(ahead)
		want("told again, late", false)
		tell(ahead.Add(time.Second))
		want("revoked anew", true)
	})
}

// TestBrokerWithoutStoreRevokesNothing says so, and lets clients in.
func TestBrokerWithoutStoreRevokesNothing(t *testing.T) {
	w := newWorld(t, struct{ push.Broker }{membroker.New()}, push.Options{Identify: byHeader})
	defer w.shutdown()
	if err := w.hub.Revoke(t.Context(), push.Revocation{User: "eve"}); push.AsError(err) == nil || push.AsError(err).Code != push.CodeUnsupported {
		t.Errorf("Revoke: %v", err)
	}
	if err := w.identify("eve", time.Time{}); err != nil {
		t.Error(err)
	}
}

// TestReservedTopicsAreForHubs has all ways by which an application or its clients
// might get at what hubs tell each other.
func TestReservedTopicsAreForHubs(t *testing.T) {
	w := newWorld(t, nil, push.Options{Receive: func(context.Context, push.Inbound) (push.Reply, error) {
		t.Error("received")
		return push.Reply{}, nil
	}})
	defer w.shutdown()
	topic := "tidewire.control"
	c := newConn()
	s := w.login(c, "", topic)
	s.Close(push.NewError(push.CodeForbidden, "", nil))
	<-s.Done()
	wantEnd(t, "the client", c, "[hello bad_request]", push.CodeForbidden)
	_, publishErr := w.hub.Publish(t.Context(), push.Message{Topic: topic})
	_, deliverErr := session.Of(w.hub).Deliver(push.Message{Topic: topic}, w.format)
	_, _, recentErr := w.hub.Recent(t.Context(), topic, 1)
	_, cursorErr := w.hub.Cursor(t.Context(), topic)
	_, inboundErr := session.Of(w.hub).Inbound(t.Context(), push.Inbound{Topic: topic})
	for what, err := range map[string]error{
		"Publish": publishErr, "Deliver": deliverErr, "Recent": recentErr, "Cursor": cursorErr, "Inbound": inboundErr,
	} {
		if !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
