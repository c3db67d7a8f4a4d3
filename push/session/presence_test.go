package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// shared is a broker that outlives the hubs on it, as the store of several instances does.
type shared struct {
	*membroker.Broker
	dead atomic.Bool // nothing of this instance reaches the others any more
}

func (b *shared) Close(context.Context) error { return nil }

func (b *shared) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if b.dead.Load() {
		return push.Receipt{}, push.CodeUnavailable
	}
	return b.Broker.Publish(ctx, m)
}

func (b *shared) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) ([]string, error) {
	if b.dead.Load() {
		return nil, push.CodeUnavailable
	}
	return b.Broker.Renew(ctx, topic, keys, ttl)
}

// presenceOptions keep the members of rooms.
func presenceOptions() push.Options {
	return push.Options{
		Presence: []string{"room/{name}"},
		Member:   func(id push.Identity) any { return map[string]string{"color": "of " + id.User} },
	}
}

func (w *world) enterAs(user string) *session.Session {
	w.t.Helper()
	s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: newConn(), Identity: push.Identity{User: user}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.subscribe(s, "", "room/a", "log")
	return s
}

// wantMembers fails unless these are the members of room/a.
func (w *world) wantMembers(want ...string) {
	w.t.Helper()
	members, err := w.hub.Members(w.t.Context(), "room/a")
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, m := range members {
		got = append(got, m.Key)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("the members are %q, want %q", got, want)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, presenceOptions())
		defer w.shutdown()
		w.wantMembers()
		first, second := w.enterAs("ann"), w.enterAs("ann")
		bob := w.enterAs("bob")
		synctest.Wait()
		w.wantMembers("ann", "bob")
		time.Sleep(time.Minute) //clock:virtual
		w.wantMembers("ann", "bob")
		closed(first)
		closed(bob)
		time.Sleep(4 * time.Second) //clock:virtual
		w.wantMembers("ann", "bob")
		time.Sleep(2 * time.Second) //clock:virtual
		w.wantMembers("ann")
		closed(second)
		time.Sleep(time.Minute) //clock:virtual
		w.wantMembers()
	})
}

// TestMembersSayWhoTheyAre: a value has the name, since when, and what the application says.
func TestMembersSayWhoTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, presenceOptions())
		defer w.shutdown()
		came := time.Now().UnixMilli()
		w.enterAs("ann")
		time.Sleep(30 * time.Second) //clock:virtual
		w.enterAs("ann")
		synctest.Wait()
		members, err := w.hub.Members(t.Context(), "room/a")
		if err != nil || len(members) != 1 {
			t.Fatal(members, err)
		}
		var v struct {
			Since int64
			User  string
			Info  map[string]string
		}
		if err := json.Unmarshal(members[0].Data, &v); err != nil {
			t.Fatal(err)
		}
		if v.Since != came || v.User != "ann" || v.Info["color"] != "of ann" {
			t.Errorf("%s", members[0].Data)
		}
	})
}

// TestMemberOfWhomNothingIsSaid: nil says nothing.
func TestMemberOfWhomNothingIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := presenceOptions()
		options.Member = func(push.Identity) any { return nil }
		w := newWorld(t, nil, options)
		defer w.shutdown()
		w.enterAs("ann")
		synctest.Wait()
		members, err := w.hub.Members(t.Context(), "room/a")
		if err != nil || len(members) != 1 || strings.Contains(string(members[0].Data), "info") {
			t.Errorf("%s, %v", members[0].Data, err)
		}
	})
}

// TestAnonymousMembers: each connection is one, and its name tells nothing of it; a user
// with a strange name is still one.
func TestAnonymousMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, presenceOptions())
		defer w.shutdown()
		a, b := w.enterAs(""), w.enterAs("")
		strange := strings.Repeat("x", 300)
		for _, user := range []string{strange, strange, "~x", " "} {
			w.enterAs(user)
		}
		synctest.Wait()
		members, err := w.hub.Members(t.Context(), "room/a")
		if err != nil || len(members) != 5 {
			t.Errorf("%d members, %v", len(members), err)
		}
		for _, m := range members {
			if m.Key[0] != '~' || strings.Contains(m.Key, a.ID()) || strings.Contains(m.Key, b.ID()) || m.Key == "~x" {
				t.Errorf("a member is called %q", m.Key)
			}
		}
	})
}

// TestReloadIsNoLeave: a page that is loaded again, on any instance, doesn't leave.
func TestReloadIsNoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := membroker.New()
		one := newWorld(t, &shared{Broker: store}, presenceOptions())
		defer one.shutdown()
		other := newWorld(t, &shared{Broker: store}, presenceOptions())
		defer other.shutdown()
		head := func() uint64 {
			members, err := one.hub.Members(t.Context(), "room/a")
			if err != nil {
				t.Fatal(err)
			}
			newest := uint64(0)
			for _, m := range members {
				newest = max(newest, m.Offset)
			}
			return newest
		}
		var sessions []*session.Session
		for i := range 50 {
			sessions = append(sessions, one.enterAs(fmt.Sprint("user", i)))
		}
		synctest.Wait()
		before := head()
		for i, s := range sessions {
			closed(s)
			time.Sleep(10 * time.Millisecond) //clock:virtual
			if i%2 == 0 {
				one.enterAs(fmt.Sprint("user", i))
			} else {
				other.enterAs(fmt.Sprint("user", i))
			}
		}
		time.Sleep(time.Minute) //clock:virtual
		if got := head(); got != before {
			t.Errorf("the members changed: %d, %d", before, got)
		}
		if members, _ := other.hub.Members(t.Context(), "room/a"); len(members) != 50 {
			t.Errorf("%d members", len(members))
		}
	})
}

// TestInstanceThatDiesTakesItsMembers: within its lease, but not those that others have too.
func TestInstanceThatDiesTakesItsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := membroker.New()
		dying := &shared{Broker: store}
		one := newWorld(t, dying, presenceOptions())
		defer one.shutdown()
		other := newWorld(t, &shared{Broker: store}, presenceOptions())
		defer other.shutdown()
		one.enterAs("ann")
		one.enterAs("bob")
		other.enterAs("bob")
		synctest.Wait()
		other.wantMembers("ann", "bob")
		dying.dead.Store(true)
		time.Sleep(11 * time.Second) //clock:virtual
		other.wantMembers("bob")
		dying.dead.Store(false)     // it was only cut off, and comes back
		time.Sleep(4 * time.Second) //clock:virtual
		other.wantMembers("ann", "bob")
	})
}

// TestMembersAreFollowed: clients that may see who is there follow the members as a state.
func TestMembersAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := presenceOptions()
		options.Authorize = push.Rules(
			push.Rule{Pattern: "room/{name}", Follow: push.Anyone, Members: push.Anyone},
			push.Rule{Pattern: "log", Follow: push.Anyone},
		)
		w, format := newWorld(t, nil, options), &stateFormat{}
		defer w.shutdown()
		c := newStateClient()
		c.topic = "tidewire.members/room/a"
		w.followState(format, c)
		for name, test := range map[string]struct{ topic, want string }{
			"no right":     {"tidewire.members/log", "[hello forbidden]"},
			"no members":   {"tidewire.members/other/a", "[hello forbidden]"},
			"reserved":     {"tidewire.hubs", "[hello bad_request]"},
			"of reserved":  {"tidewire.members/tidewire.hubs", "[hello bad_request]"},
			"of a pattern": {"tidewire.members/room/*", "[hello bad_request]"},
		} {
			conn := newConn()
			s, err := session.Of(w.hub).Open(session.Client{Format: format, Conn: conn})
			if err != nil {
				t.Fatal(err)
			}
			s.Subscribe(t.Context(), []session.Follow{{Topic: test.topic, State: true}}, hello)
			synctest.Wait()
			if got := conn.take(); got != test.want {
				t.Errorf("%s: %s", name, got)
			}
		}
		for i := range 500 {
			w.enterAs(fmt.Sprint("user", i))
			time.Sleep(10 * time.Millisecond) //clock:virtual
		}
		time.Sleep(time.Second) //clock:virtual
		synctest.Wait()
		if len(c.values) != 500 {
			t.Errorf("%d members", len(c.values))
		}
		if c.frames > 15 {
			t.Errorf("%d frames in 5 seconds", c.frames)
		}
		if _, err := w.hub.Set(t.Context(), push.Message{Topic: c.topic, Key: "x"}); push.AsError(err).Code != push.CodeBadRequest {
			t.Errorf("an application sets a member: %v", err)
		}
	})
}
