package session_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// TestSpoiledReads has clients in a wave whose places aren't real, or from which
// the read doesn't reach the head. They get their gap, and nobody else does, or
// waits for more than six reads.
func TestSpoiledReads(t *testing.T) {
	const places = 5 // of the clients in reach
	tests := []struct {
		name  string
		place func(i int, positions []broker.Position) broker.Position
		gap   string
	}{
		{"forged", func(i int, positions []broker.Position) broker.Position {
			p := positions[20+i]
			p.Tag++
			return p
		}, "fork"},
		{"trimmed", func(i int, positions []broker.Position) broker.Position { return positions[i-1] }, "trimmed"},
		{"too many bytes", func(i int, positions []broker.Position) broker.Position { return positions[9+i] }, "too_many"},
		{"another epoch", func(i int, positions []broker.Position) broker.Position {
			p := positions[20+i]
			p.Epoch++
			return p
		}, "epoch"},
		{"not there yet", func(i int, positions []broker.Position) broker.Position {
			p := positions[50]
			p.Offset += uint64(i)
			return p
		}, "fork"},
	}
	for _, test := range tests {
		for _, spoilers := range []int{1, 10} {
			t.Run(fmt.Sprint(test.name, " ", spoilers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newSlowHistory(5*time.Millisecond, broker.History{Messages: 40})
					w := newWorld(t, b, push.Options{ReplayBytes: 30 * 170})
					defer w.shutdown()
					positions := w.publishNumbers(1, 50)
					var bad, good []*fakeConn
					for i := range 100 {
						if i%10 == 0 && i/10 < spoilers {
							bad = append(bad, w.comesBack(test.place(i/10+1, positions)))
						}
						good = append(good, w.comesBack(positions[50-places+i%places]))
					}
					time.Sleep(6 * 5 * time.Millisecond)
					synctest.Wait()
					for i, c := range bad {
						want := fmt.Sprintf("[hello gap %s %d-50]", test.gap, test.place(i+1, positions).Offset)
						if got := c.take(); got != want {
							t.Errorf("spoiler %d got %s, want %s", i, got, want)
						}
					}
					for i, c := range good {
						if got, want := c.take(), numbers("hello", 50-places+i%places+1, 50); got != want {
							t.Errorf("client %d got %s, want %s", i, got, want)
						}
					}
					// A place may be read alone and with others at the same time.
					if reads := b.reads(); reads > spoilers+places+2 {
						t.Errorf("%d reads", reads)
					}
				})
			})
		}
	}
}

// TestMessageLargerThanAReplay has one message, which the broker gives whatever the
// limit says.
func TestMessageLargerThanAReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{ReplayBytes: 100})
		defer w.shutdown()
		positions := w.publishNumbers(1, 1)
		c := w.comesBack(positions[0])
		synctest.Wait()
		if got := c.take(); got != "[hello gap too_many 0-1]" {
			t.Errorf("got %s", got)
		}
	})
}

func TestFailedReadHitsOnlyItsWave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := newSlowHistory(5*time.Millisecond, broker.History{})
		w := newWorld(t, broker, push.Options{})
		defer w.shutdown()
		positions := w.publishNumbers(1, 10)
		wave := func() (conns []*fakeConn) {
			for i := range 10 {
				conns = append(conns, w.comesBack(positions[i]))
			}
			return conns
		}
		broker.become(5*time.Millisecond, errors.New("down"))
		failed := wave()
		w.settle()
		broker.become(5*time.Millisecond, nil)
		served := wave()
		w.settle()
		for i := range 10 {
			if ended, reason := failed[i].end(); !ended || !errors.Is(reason, push.CodeUnavailable) {
				t.Errorf("client %d of the failed wave: ended %v with %v", i, ended, reason)
			}
			if got := served[i].take(); got != numbers("hello", i+1, 10) {
				t.Errorf("client %d of the next wave got %s", i, got)
			}
		}
		if reads := broker.reads(); reads > 4 {
			t.Errorf("%d reads", reads)
		}
	})
}

// TestWaitingForAReadEndsAlone has a read that takes too long, and clients that
// wait for the next one: whoever has waited too long goes, the others stay.
func TestWaitingForAReadEndsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := newSlowHistory(time.Hour, broker.History{})
		w := newWorld(t, broker, push.Options{BrokerTimeout: 3 * time.Second})
		defer w.shutdown()
		positions := w.publishNumbers(1, 10)
		begins := w.comesBack(positions[5])
		time.Sleep(100 * time.Millisecond)
		early := w.comesBack(positions[6])
		time.Sleep(2800 * time.Millisecond)
		late := w.comesBack(positions[7])
		broker.become(500*time.Millisecond, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		for name, c := range map[string]*fakeConn{"who began": begins, "who came early": early} {
			if ended, reason := c.end(); !ended || !errors.Is(reason, push.CodeUnavailable) {
				t.Errorf("%s: ended %v with %v", name, ended, reason)
			}
		}
		if got := late.take(); got != numbers("hello", 8, 10) {
			t.Errorf("who came late got %s", got)
		}
	})
}

// direct is what a client is to get that comes now: the reason of its gap, or
// none if it gets all that it missed. It asks the broker, past all sharing.
func direct(t *testing.T, b push.Broker, at broker.Position, replay broker.Limit) (head broker.Position, reason broker.GapReason) {
	t.Helper()
	page, err := b.Since(t.Context(), "a", at, replay)
	if err != nil {
		t.Fatal(err)
	}
	head = page.Head
	if page.Gap == broker.GapEpoch || at == head {
		return head, page.Gap
	}
	if at.Offset < head.Offset && head.Offset-at.Offset > uint64(replay.Messages) {
		return head, broker.GapTooMany
	}
	size := 0
	for _, m := range page.Messages {
		size += m.Size()
	}
	if page.Gap == "" && (at.Offset+uint64(len(page.Messages)) < head.Offset || size > replay.Bytes) {
		return head, broker.GapTooMany
	}
	return head, page.Gap
}

// returning is a client in TestSharedReadsAreDirectReads.
type returning struct {
	conn    *fakeConn
	session *session.Session
	came    broker.Position
	head    broker.Position
	reason  broker.GapReason
}

// TestSharedReadsAreDirectReads lets clients come and go at random, with places that
// are real or not, while messages are published: each gets exactly what it would
// get if it were alone.
func TestSharedReadsAreDirectReads(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { shareAtRandom(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func shareAtRandom(t *testing.T, random *rand.Rand) {
	replay := broker.Limit{Messages: 25, Bytes: 25 * 300}
	history := broker.History{Messages: 200}
	forgetful := random.IntN(2) == 0
	if forgetful {
		history.Messages = 15 // some places in reach are trimmed
	}
	b := newSlowHistory(8*time.Millisecond, history)
	w := newWorld(t, b, push.Options{ReplayMessages: replay.Messages, ReplayBytes: replay.Bytes})
	defer w.shutdown()
	positions := w.publishNumbers(1, 50)
	var data []string
	for i := range 50 {
		data = append(data, fmt.Sprint(i+1))
	}
	publish := func() {
		text := fmt.Sprintf("%d%s", len(data)+1, strings.Repeat(".", random.IntN(300)))
		data = append(data, text)
		positions = append(positions, w.publish("a", text).Position)
	}
	var clients []returning
	arrive := func() {
		at := positions[len(positions)-1-random.IntN(30)]
		switch random.IntN(20) {
		case 0:
			at.Tag++
		case 1:
			at.Epoch++
		case 2:
			at.Offset += 40
		}
		head, reason := direct(t, b.Broker, at, replay)
		c := returning{conn: newConn(), came: at, head: head, reason: reason}
		c.session = w.open(c.conn)
		w.subscribe(c.session, cursor.Format("a", at), "a")
		clients = append(clients, c)
	}
	check := func(c returning) {
		got := c.conn.take()
		since := func(reason broker.GapReason) string {
			if reason == "" {
				return fmt.Sprint(append([]string{"hello"}, data[c.came.Offset:]...))
			}
			gap := fmt.Sprintf("gap %s %d-%d", reason, c.came.Offset, c.head.Offset)
			return fmt.Sprint(append([]string{"hello", gap}, data[c.head.Offset:]...))
		}
		// Who says that it is ahead, and isn't, goes on where the broker was when it said so.
		for head := c.head.Offset; c.reason == broker.GapFork && c.came.Offset > c.head.Offset && head <= uint64(len(data)); head++ {
			gap := fmt.Sprintf("gap fork %d-%d", c.came.Offset, head)
			if got == fmt.Sprint(append([]string{"hello", gap}, data[head:]...)) {
				return
			}
		}
		switch {
		case got == since(c.reason):
		case forgetful && c.reason == broker.GapTrimmed && got == since(""): // the window still has it
		case forgetful && got == since(broker.GapTrimmed): // the broker dropped it before it was read
			if _, reason := direct(t, b.Broker, c.came, replay); reason != broker.GapTrimmed && reason != broker.GapTooMany {
				t.Errorf("the client at %d was told that it is trimmed, not %s", c.came.Offset, reason)
			}
		default:
			short := strings.NewReplacer(".", "")
			t.Errorf("the client at %d with head %d got\n%s\nwant\n%s", c.came.Offset, c.head.Offset,
				short.Replace(got), short.Replace(since(c.reason)))
		}
	}
	for range 400 {
		switch random.IntN(10) {
		case 0, 1, 2:
			publish()
		case 3, 4, 5, 6, 7:
			arrive()
		case 8:
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) //clock:virtual
		case 9:
			if len(clients) > 0 && random.IntN(5) == 0 {
				w.settle()
				for _, c := range clients {
					check(c)
					c.session.Close(nil)
				}
				clients = nil
				time.Sleep(time.Duration(random.IntN(6)) * time.Second) //clock:virtual
			}
		}
	}
	w.settle()
	for _, c := range clients {
		check(c)
	}
}
