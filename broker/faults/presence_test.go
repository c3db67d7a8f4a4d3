package faults_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

var members = flag.Int("members", 300, "how many clients TestMembersOverInstances has, on three instances together")

// present are the topics whose members are kept.
var present = []string{"room/{name}"}

const room = "room/a"

func user(n int) string { return fmt.Sprint("user-", n) }

// followers is how many clients of each instance that stays follow the list of members, too.
const followers = 20

// attendant is a client in this process, whose frames are counted and not sent. One that follows the list of members keeps
// it.
type attendant struct {
	*session.Session

	mu     sync.Mutex // guards the rest
	list   map[string]bool
	gone   []string // of those that were deleted, in order
	frames int
	bytes  int
	synced bool
}

// enter opens a session of a user, in any process.
func enter(hub *push.Hub, user string, follows ...session.Follow) (*attendant, error) {
	a := &attendant{list: map[string]bool{}}
	var err error
	a.Session, err = session.Of(hub).Open(session.Client{Format: plain, Conn: a, Try: a, Identity: push.Identity{User: user}})
	if err != nil {
		return nil, err
	}
	var refused *push.Error
	a.Subscribe(context.Background(), follows, func(answers []session.Followed) *session.Frame {
		for _, answer := range answers {
			if answer.Err != nil {
				refused = answer.Err
			}
		}
		return &session.Frame{Bytes: protocol.Welcome(a.ID(), time.Minute, time.Time{}, answers)}
	})
	if refused != nil {
		return nil, refused
	}
	return a, nil
}

func (a *attendant) Write(frames []*session.Frame) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, frame := range frames {
		f, err := protocol.ParseFrame(frame.Bytes)
		if err != nil {
			return err
		}
		if f.State.Topic == "" {
			continue
		}
		a.frames, a.bytes = a.frames+1, a.bytes+len(frame.Bytes)
		a.synced = a.synced || f.Type == protocol.TypeSynced
		for _, c := range f.State.Changes {
			if c.Op == broker.OpDelete {
				a.gone = append(a.gone, c.Key)
				delete(a.list, c.Key)
			} else {
				a.list[c.Key] = true
			}
		}
	}
	return nil
}

func (a *attendant) TryWrite(frames []*session.Frame) (bool, error) { return true, a.Write(frames) }
func (a *attendant) End(*push.Error)                                {}
func (a *attendant) Abort()                                         {}

// told returns how many frames and bytes a follower of the list got since the last call, and who has gone.
func (a *attendant) told() (frames, bytes int, gone []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	frames, bytes, gone = a.frames, a.bytes, a.gone
	a.frames, a.bytes, a.gone = 0, 0, nil
	return frames, bytes, gone
}

func (a *attendant) has(want map[string]bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.synced && maps.Equal(a.list, want)
}

// plainFormat is the format of frames without a transport.
type plainFormat struct{ _ int }

var plain = &plainFormat{}

func (*plainFormat) Message(m *push.Message) *session.Frame {
	at := protocol.Cursor(m)
	return &session.Frame{Topic: m.Topic, Cursor: at, Bytes: protocol.Message(m, at)}
}

func (*plainFormat) Gap(g broker.Gap) *session.Frame {
	at := cursor.Format(g.Topic, g.Now)
	return &session.Frame{Topic: g.Topic, Cursor: at, Bytes: protocol.Gap(g, at)}
}

func (*plainFormat) Reconnect(afterMS int) *session.Frame {
	return &session.Frame{Bytes: protocol.Reconnect(afterMS)}
}

func (*plainFormat) State(topic string, changes []session.Change, at broker.Position) *session.Frame {
	moved := protocol.CursorAt(topic, at)
	return &session.Frame{Topic: topic, Cursor: moved, Bytes: protocol.State(topic, changes, moved)}
}

func (*plainFormat) Synced(topic string, at broker.Position) *session.Frame {
	moved := protocol.CursorAt(topic, at)
	return &session.Frame{Topic: topic, Cursor: moved, Bytes: protocol.Synced(topic, at.Epoch, moved)}
}

func (*plainFormat) Reset(topic string, reason broker.GapReason, epoch broker.Epoch) *session.Frame {
	return &session.Frame{Bytes: protocol.Reset(topic, reason, epoch)}
}

// gathering is who is where.
type gathering struct {
	*testing.T
	instances []*instance
	here      [2][]*attendant // of each instance in this process
	lists     []*attendant    // that follow the list of members
	want      map[string]bool
}

// come has users of these numbers follow the room on an instance in this process, many at a time.
func (g *gathering) come(on, first, n int) {
	g.Helper()
	came := make([]*attendant, n)
	var work sync.WaitGroup
	for part := range 16 {
		work.Go(func() {
			for i := part; i < n; i += 16 {
				var err error
				if came[i], err = enter(g.instances[on].Hub, user(first+i), session.Follow{Topic: room}); err != nil {
					g.Errorf("%s: %v", user(first+i), err)
				}
			}
		})
	}
	work.Wait()
	g.here[on] = append(g.here[on], came...)
}

// exact waits until each instance, and each client that follows the list, has exactly those members that there should be.
func (g *gathering) exact(what string) {
	g.Helper()
	for _, i := range g.instances {
		await(g.T, what+": the members of an instance", func() bool {
			list, err := i.Members(g.Context(), room)
			if err != nil || len(list) != len(g.want) {
				return false
			}
			return !slices.ContainsFunc(list, func(m *push.Message) bool { return !g.want[m.Key] })
		})
	}
	for _, a := range g.lists {
		await(g.T, what+": the list of a client", func() bool { return a.has(g.want) })
	}
}

// figures tells what a follower of the list got, on average, and returns all that any of them was told has gone.
func (g *gathering) figures(what string) (gone map[string]bool) {
	var frames, bytes int
	gone = map[string]bool{}
	for _, a := range g.lists {
		f, b, left := a.told()
		frames, bytes = frames+f, bytes+b
		for _, key := range left {
			gone[key] = true
		}
	}
	n := len(g.lists)
	g.Logf("%s: a client that follows the list of members got %d frames, %d bytes; %d were told to have gone", what, frames/n, bytes/n, len(gone))
	return gone
}

// TestMembersOverInstances: three instances have as many members each, clients in their processes; on two of them some
// follow the list. One instance is killed, and the others' clients are exact within the lease; a third of all leaves and comes
// back elsewhere, and nobody is told.
func TestMembersOverInstances(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	each := *members / 3
	o := push.Options{Presence: present}
	g := &gathering{T: t, want: map[string]bool{}, instances: []*instance{
		startInstance(t, connect(t, server), o), startInstance(t, connect(t, server), o),
	}}
	t.Cleanup(func() {
		for _, a := range slices.Concat(g.lists, g.here[0], g.here[1]) {
			a.Close(nil)
		}
	})
	killed := startChild(t, server)
	for _, i := range g.instances {
		for range followers {
			a, err := enter(i.Hub, "", session.Follow{Topic: broker.MembersTopic(room), State: true})
			check(t, err)
			g.lists = append(g.lists, a)
		}
	}
	for n := range 3 * each {
		g.want[user(n)] = true
	}
	begin := time.Now()
	g.come(0, 0, each)
	g.come(1, each, each)
	killed.post("/enter", url.Values{"topic": {room}, "first": {strconv.Itoa(2 * each)}, "n": {strconv.Itoa(each)}})
	g.exact("all have come")
	t.Logf("%d members on three instances were known to all after %v", 3*each, time.Since(begin).Round(time.Millisecond)) //clock:real it is only told
	g.figures("all came")

	before, calls := time.Now(), commands(t, server)
	<-time.After(9 * time.Second) //clock:real what renewals cost in this time is only told
	took := time.Since(before)    //clock:real it is only told
	tellCommands(t, took, calls, commands(t, server))
	if gone := g.figures("nothing happened"); len(gone) > 0 {
		t.Errorf("%d went, and nobody has left", len(gone))
	}

	for n := range each {
		delete(g.want, user(2*each+n))
	}
	begin = time.Now()
	killed.kill()
	g.exact("an instance was killed")
	t.Logf("the %d members of an instance that was killed were gone everywhere after %v", each, time.Since(begin).Round(time.Millisecond)) //clock:real it is only told
	within(t, "members of an instance that is killed", 15*time.Second, begin)
	g.figures("an instance was killed")

	begin = time.Now()
	for _, a := range g.here[0] {
		a.Close(nil)
	}
	g.here[0] = nil
	g.come(1, 0, each)
	t.Logf("%d left one instance and came to the other within %v", each, time.Since(begin).Round(time.Millisecond)) //clock:real it is only told
	<-time.After(17 * time.Second)                                                                                  //clock:real longer than their grace and any lease lasts
	g.exact("a third came back")
	if gone := g.figures("a third came back elsewhere"); len(gone) > 0 {
		t.Errorf("%d were told to have gone, which came back at once", len(gone))
	}
}

// commands are how often a server was given each command.
func commands(t *testing.T, s interface{ Options() *redis.Options }) map[string]int {
	t.Helper()
	client := closing[*redis.Client](t)(redis.NewClient(s.Options()), nil)
	text, err := client.Info(t.Context(), "commandstats").Result()
	check(t, err)
	calls := map[string]int{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		count, _, _ := strings.Cut(rest, ",")
		if n, err := strconv.Atoi(count); ok && err == nil {
			calls[name] = n
		}
	}
	return calls
}

func tellCommands(t *testing.T, took time.Duration, before, after map[string]int) {
	t.Helper()
	var all []string
	sum := 0
	for name, n := range after {
		if n -= before[name]; n > 0 {
			all = append(all, fmt.Sprintf("%s %d", name, n))
			sum += n
		}
	}
	slices.Sort(all)
	t.Logf("while nothing happened, for %v: %.1f scripts, %.1f commands a second, with those in scripts: %s", took.Round(time.Second),
		float64(after["evalsha"]-before["evalsha"])/took.Seconds(), float64(sum)/took.Seconds(), strings.Join(all, ", "))
}
