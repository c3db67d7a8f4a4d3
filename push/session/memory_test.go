package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestMemoryIsWhatWaits has clients of all kinds do anything in any order. After each
// step what is counted is what is found, and in the end it is nothing.
func TestMemoryIsWhatWaits(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				w := newWorld(t, newSlowHistory(time.Duration(r.IntN(2))*time.Millisecond, broker.History{Messages: 20}), push.Options{
					QueueMessages: 2 + r.IntN(40), QueueBytes: 40_000,
					ReplayMessages: 30, ReplayBytes: 20_000,
					Limits: push.Limits{Memory: int64(1+r.IntN(10)) * 100_000},
				})
				clients := crowdOf{world: w, r: r, from: w.cursor("a", "b", "c")}
				for range 300 {
					clients.step()
					synctest.Wait()
					w.wantMemory()
					if used := w.hub.Stats().Memory; used > clients.most {
						clients.most = used
					}
				}
				if clients.most == 0 {
					t.Error("nothing was ever counted")
				}
				for _, c := range clients.all {
					c.Abort()
				}
				w.shutdown()
				w.wantMemory()
			})
		})
	}
}

// crowdOf are clients of which some read at once, some don't read, and some have a socket
// that takes a few frames.
type crowdOf struct {
	*world
	r        *rand.Rand
	from     string // a cursor of an earlier time
	all      []session.Conn
	sessions []*session.Session
	most     int64
}

func (c *crowdOf) step() {
	topic := string(rune('a' + c.r.IntN(3)))
	if len(c.sessions) == 0 {
		c.come()
		return
	}
	s := c.sessions[c.r.IntN(len(c.sessions))]
	switch c.r.IntN(12) {
	case 0, 1:
		c.come()
	case 2:
		c.subscribe(s, "", topic)
	case 3:
		c.subscribe(s, c.from, "a", "b", "c")
	case 4:
		s.Unsubscribe([]string{topic}, func() *session.Frame { return word("bye") })
	case 5:
		s.Send(word(strings.Repeat("s", c.r.IntN(2000))))
	case 6:
		s.Close(nil)
	case 7:
		s.Close(push.NewError(push.CodeForbidden, "", nil))
	case 8:
		if s.Keep(c.r.IntN(2000)) && c.r.IntN(2) == 0 {
			s.Keep(-c.r.IntN(2000))
		}
	case 9:
		time.Sleep(time.Duration(c.r.IntN(3)) * time.Second) //clock:virtual
	default:
		if c.r.IntN(2) == 0 {
			c.from = c.cursor("a", "b", "c")
		}
		for range 1 + c.r.IntN(10) {
			c.publish(topic, strings.Repeat("x", 1+c.r.IntN(3000)))
		}
	}
}

func (c *crowdOf) come() {
	switch c.r.IntN(4) {
	case 0:
		conn := newConn()
		c.all, c.sessions = append(c.all, conn), append(c.sessions, c.open(conn))
	case 1:
		conn := stalledConn()
		c.all, c.sessions = append(c.all, conn), append(c.sessions, c.open(conn))
	default:
		conn := newSocket(c.r.IntN(30))
		conn.stalled = c.r.IntN(2) == 0
		c.all, c.sessions = append(c.all, conn), append(c.sessions, c.openSocket(conn))
	}
}

// wantCut fails unless the client was cut as a slow consumer, or wasn't.
func wantCut(t *testing.T, who string, c *fakeConn, want bool) {
	t.Helper()
	if ended, reason := c.end(); ended != want || want && !errors.Is(reason, push.CodeSlowConsumer) {
		t.Errorf("%s: ended %v with %v", who, ended, reason)
	}
}

// TestGreediestAreCut: readers that don't read hold more and more. Those that hold the
// most are cut, in time; who reads, and who is a little behind, feels nothing.
func TestGreediestAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8 << 20
		w := newWorld(t, membroker.New(membroker.Options{History: broker.History{Messages: 1}}),
			push.Options{Limits: push.Limits{Memory: limit}})
		defer w.shutdown()
		well, behind := newConn(), stalledConn()
		w.subscribe(w.open(well), "", "honest")
		w.subscribe(w.open(behind), "", "honest")
		var greedy []*fakeConn
		for i := range 20 {
			c := stalledConn()
			c.timeout = time.Hour
			greedy = append(greedy, c)
			w.subscribe(w.open(c), "", fmt.Sprint(i))
		}
		synctest.Wait()
		want := "hello"
		for round := range 15 {
			for i := range greedy {
				w.publish(fmt.Sprint(i), strings.Repeat("x", 60_000))
				if used := w.hub.Stats().Memory; used > limit {
					t.Fatalf("%d bytes are counted", used)
				}
			}
			w.publish("honest", fmt.Sprint(round))
			want += fmt.Sprint(" ", round)
			synctest.Wait()
			w.wantMemory()
		}
		cut := 0
		for _, c := range greedy {
			if ended, reason := c.end(); ended {
				cut++
				if !errors.Is(reason, push.CodeSlowConsumer) {
					t.Errorf("a greedy one ended with %v", reason)
				}
			}
		}
		stats := w.hub.Stats()
		if cut == 0 || int(stats.Shed) != cut || int(stats.Closed[push.CodeSlowConsumer]) != cut {
			t.Errorf("%d were cut, %+v", cut, stats)
		}
		if got := well.take(); got != "["+want+"]" {
			t.Errorf("who reads got %s", got)
		}
		wantCut(t, "who is a little behind", behind, false)
		for _, c := range greedy {
			c.Abort()
		}
		behind.Abort()
	})
}

// TestSharedFramesCountOnce: a message that waits for a thousand clients is in memory
// once, so that it is no reason to cut any.
func TestSharedFramesCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Memory: 1 << 20}})
		defer w.shutdown()
		var conns []*fakeConn
		for range 1000 {
			c := stalledConn()
			conns = append(conns, c)
			w.subscribe(w.open(c), "", "a")
		}
		synctest.Wait()
		before := w.hub.Stats().Memory
		for range 5 {
			w.publish("a", strings.Repeat("x", 60_000))
		}
		synctest.Wait()
		if more := w.hub.Stats().Memory - before; more < 300_000 || more > 301_000 {
			t.Errorf("%d bytes for five messages", more)
		}
		if shed := w.hub.Stats().Shed; shed > 0 {
			t.Errorf("%d were cut", shed)
		}
		w.wantMemory()
		for _, c := range conns {
			c.Abort()
		}
	})
}

// TestConnectionsOfOnePartyAreWeighedTogether: many of one user or of one address that
// each hold less than an honest one are together more than it.
func TestConnectionsOfOnePartyAreWeighedTogether(t *testing.T) {
	for _, user := range []string{"greedy", ""} {
		t.Run("user "+user, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, membroker.New(membroker.Options{History: broker.History{Messages: 1}}),
					push.Options{Limits: push.Limits{Memory: 4 << 20, PerUser: -1}})
				defer w.shutdown()
				stalled := func(address, user, topic string, messages int) *fakeConn {
					c := stalledConn()
					c.timeout = time.Hour
					a, err := session.Of(w.hub).Admit(from(address))
					if err != nil {
						t.Fatal(err)
					}
					defer a.Release()
					s, err := session.Of(w.hub).Open(session.Client{Admission: a, Format: w.format, Conn: c, Identity: push.Identity{User: user}})
					if err != nil {
						t.Fatal(err)
					}
					w.subscribe(s, "", topic)
					for range messages {
						w.publish(topic, strings.Repeat("x", 30_000))
					}
					time.Sleep(100 * time.Millisecond) // for who has to be cut before the next
					return c
				}
				honest := stalled("203.0.113.1", "", "honest", 15)
				var many []*fakeConn
				for i := range 150 {
					address := "203.0.113.2"
					if user != "" {
						address = fmt.Sprint("198.51.100.", i)
					}
					many = append(many, stalled(address, user, fmt.Sprint(i), 1))
				}
				wantCut(t, "the honest one, which holds the most of all", honest, false)
				if shed := w.hub.Stats().Shed; shed == 0 {
					t.Error("nobody was cut")
				}
				for _, c := range append(many, honest) {
					c.Abort()
				}
			})
		})
	}
}

// TestSharedFramesWeighLittle: who waits for what many wait for isn't greedy.
func TestSharedFramesWeighLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, membroker.New(membroker.Options{History: broker.History{Messages: 1}}),
			push.Options{Limits: push.Limits{Memory: 4 << 20}})
		defer w.shutdown()
		stalled := func(topic string) *fakeConn {
			c := stalledConn()
			c.timeout = time.Hour
			w.subscribe(w.open(c), "", topic)
			return c
		}
		var honest, greedy []*fakeConn
		for range 100 {
			honest = append(honest, stalled("popular"))
		}
		for range 15 {
			w.publish("popular", strings.Repeat("x", 60_000))
		}
		for i := range 100 {
			greedy = append(greedy, stalled(fmt.Sprint(i)))
			w.publish(fmt.Sprint(i), strings.Repeat("x", 40_000))
			synctest.Wait()
		}
		for _, c := range honest {
			wantCut(t, "one of many", c, false)
		}
		if shed := w.hub.Stats().Shed; shed == 0 {
			t.Error("nobody was cut")
		}
		for _, c := range append(honest, greedy...) {
			c.Abort()
		}
	})
}

// TestFullHubRefusesClients: who comes when there is no room is asked to come again soon.
func TestFullHubRefusesClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Memory: 1 << 20}})
		defer w.shutdown()
		if a, err := session.Of(w.hub).Admit(from("203.0.113.1")); err != nil {
			t.Errorf("while there was room: %v", err)
		} else {
			a.Release()
		}
		empty := session.Of(w.hub).Fill(800_000)
		_, err := session.Of(w.hub).Admit(from("203.0.113.1"))
		if e := push.AsError(err); e == nil || e.Code != push.CodeUnavailable || e.After <= 0 || e.Code.HTTPStatus() != http.StatusServiceUnavailable {
			t.Errorf("Admit: %v", err)
		}
		empty()
		if a, err := session.Of(w.hub).Admit(from("203.0.113.1")); err != nil {
			t.Errorf("when there was room again: %v", err)
		} else {
			a.Release()
		}
		if n := w.hub.Stats().Refused[push.CodeUnavailable]; n != 1 {
			t.Errorf("%d were counted", n)
		}
	})
}

// TestReplayWaitsForRoom: what can't be kept isn't read. The client waits, and if that is
// too long it is asked to come back.
func TestReplayWaitsForRoom(t *testing.T) {
	for _, soon := range []bool{true, false} {
		t.Run(fmt.Sprint(soon), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broker := newSlowHistory(0, broker.History{})
				w := newWorld(t, broker, push.Options{Limits: push.Limits{Memory: 1 << 20}})
				defer w.shutdown()
				positions := w.publishNumbers(1, 3)
				empty := session.Of(w.hub).Fill(700_000)
				c := w.comesBack(positions[1])
				synctest.Wait()
				if got := c.take(); got != "[hello]" || broker.reads() != 0 {
					t.Errorf("without room came %s", got)
				}
				want := "[]"
				if soon {
					empty()
					want = "[2 3]"
				} else {
					time.Sleep(4 * time.Second)
					defer empty()
				}
				synctest.Wait()
				if ended, reason := c.end(); ended == soon || ended && !errors.Is(reason, push.CodeUnavailable) {
					t.Errorf("ended %v with %v", ended, reason)
				}
				if got := c.take(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		})
	}
}

// TestMessageWithoutRoomGoesToWhoTakesIt: a message that can't be counted is written to
// clients that take it at once, and others come back for it. Neither is it counted.
func TestMessageWithoutRoomGoesToWhoTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Memory: 50_000}})
		defer w.shutdown()
		well, full, slow := newSocket(1000), newSocket(1), newConn()
		full.stalled = true
		full.timeout = time.Hour
		w.subscribe(w.openSocket(well), "", "a")
		w.subscribe(w.openSocket(full), "", "a")
		w.subscribe(w.open(slow), "", "a")
		synctest.Wait()
		w.publish("a", strings.Repeat("x", 60_000))
		synctest.Wait()
		if got := well.take(); len(got) < 60_000 {
			t.Errorf("who takes it got %s", got)
		}
		wantCut(t, "whose socket is full", full.fakeConn, true)
		wantCut(t, "whom to write to may take a while", slow, true)
		if used := w.hub.Stats().Memory; used != 0 {
			t.Errorf("%d bytes are counted", used)
		}
	})
}

// TestShedIsLoggedOnceAMinute: with how many were cut.
func TestShedIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, membroker.New(membroker.Options{History: broker.History{Messages: 1}}), push.Options{
			Limits: push.Limits{Memory: 1 << 20}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		defer w.shutdown()
		cut := 0
		for range 3 {
			for range 10 {
				c := stalledConn()
				w.subscribe(w.open(c), "", "a")
				for range 15 {
					w.publish("a", strings.Repeat("x", 60_000))
				}
				synctest.Wait()
				if ended, _ := c.end(); ended {
					cut++
				}
				c.Abort()
				time.Sleep(time.Second)
			}
			time.Sleep(21 * time.Second)
		}
		if cut != 30 {
			t.Errorf("%d were cut", cut)
		}
		if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "the greediest were cut") {
			t.Errorf("logged:\n%s", got)
		}
	})
}
