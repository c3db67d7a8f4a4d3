package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// slowHistory is a broker whose history takes a while to read, and that counts
// the reads. The reading itself happens in the middle of the while.
type slowHistory struct {
	push.Broker

	mu    sync.Mutex
	delay time.Duration
	err   error
	count int
}

func newSlowHistory(delay time.Duration, history broker.History) *slowHistory {
	return &slowHistory{Broker: membroker.New(membroker.Options{History: history}), delay: delay}
}

func (b *slowHistory) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	return b.slowly(ctx, func() (push.Page, error) { return b.Broker.Since(ctx, topic, after, limit) })
}

func (b *slowHistory) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	if limit.Messages == 0 {
		return b.Broker.Recent(ctx, topic, limit)
	}
	return b.slowly(ctx, func() (push.Page, error) { return b.Broker.Recent(ctx, topic, limit) })
}

func (b *slowHistory) slowly(ctx context.Context, read func() (push.Page, error)) (push.Page, error) {
	b.mu.Lock()
	b.count++
	delay, err := b.delay, b.err
	b.mu.Unlock()
	if err := wait(ctx, delay/2); err != nil {
		return push.Page{}, err
	}
	page, failed := read()
	if err == nil {
		err = failed
	}
	if err := wait(ctx, delay/2); err != nil {
		return push.Page{}, err
	}
	return page, err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d): //clock:virtual
		return nil
	case <-ctx.Done():
		return push.AsError(ctx.Err())
	}
}

// become sets how long reads take from now on, and how they end.
func (b *slowHistory) become(delay time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay, b.err = delay, err
}

// reads tells how many reads there were since it was asked last.
func (b *slowHistory) reads() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := b.count
	b.count = 0
	return count
}

// settle is long enough for all reads that are under way.
const settle = time.Second

func (w *world) settle() {
	time.Sleep(settle) //clock:virtual
	synctest.Wait()
}

// comesBack lets a client come with the cursor of a position of topic a.
func (w *world) comesBack(p broker.Position) *fakeConn {
	w.t.Helper()
	c := newConn()
	w.subscribe(w.open(c), cursor.Format("a", p), "a")
	return c
}

// publishNumbers publishes from to to on topic a, and gives the positions before
// each and after the last.
func (w *world) publishNumbers(from, to int) []broker.Position {
	w.t.Helper()
	page, err := w.broker.Recent(w.t.Context(), "a", broker.Limit{})
	if err != nil {
		w.t.Fatal(err)
	}
	positions := []broker.Position{page.Head}
	for i := from; i <= to; i++ {
		positions = append(positions, w.publish("a", fmt.Sprint(i)).Position)
	}
	return positions
}

// numbers is what a client has got that was announced and got from to to.
func numbers(before string, from, to int) string {
	var b strings.Builder
	b.WriteString("[" + before)
	for i := from; i <= to; i++ {
		fmt.Fprint(&b, " ", i)
	}
	return b.String() + "]"
}

func (w *world) wantWindows(want int) {
	w.t.Helper()
	kept, bytes := session.Of(w.hub).Windows()
	if kept != want || (bytes == 0) != (want == 0) {
		w.t.Errorf("%d windows with %d bytes, want %d windows", kept, bytes, want)
	}
}

// TestWaveSharesItsReads has a thousand clients come back to one topic, which goes
// on. Each gets all it missed; the broker is asked a few times.
func TestWaveSharesItsReads(t *testing.T) {
	const clients, published = 1000, 40
	onePlace := func(int) int { return 20 }
	manyPlaces := func(i int) int { return 1 + i*7%20 } // the lowest isn't among the first
	tests := []struct {
		name   string
		spread time.Duration
		behind func(i int) int // how far client i is
		reads  int             // at most
	}{
		{"at once, one place", 0, onePlace, 1},
		{"at once, many places", 0, manyPlaces, 2},
		{"spread, one place", 2 * time.Second, onePlace, 1},
		{"spread, many places", 2 * time.Second, manyPlaces, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broker := newSlowHistory(5*time.Millisecond, broker.History{})
				w := newWorld(t, broker, push.Options{})
				positions := w.publishNumbers(1, published)
				conns := make([]*fakeConn, clients)
				last := published
				for i := range clients {
					conns[i] = w.comesBack(positions[published-test.behind(i)])
					time.Sleep(test.spread / clients)
					if i%100 == 0 {
						last++
						w.publish("a", fmt.Sprint(last))
					}
				}
				w.settle()
				for i, c := range conns {
					if got, want := c.take(), numbers("hello", published-test.behind(i)+1, last); got != want {
						t.Fatalf("client %d got %s, want %s", i, got, want)
					}
				}
				if reads := broker.reads(); reads > test.reads {
					t.Errorf("%d reads, want at most %d", reads, test.reads)
				}
				w.wantWindows(1)
				w.shutdown()
				w.wantWindows(0)
			})
		})
	}
}

func TestWindowGrowsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowHistory(5*time.Millisecond, broker.History{})
		w := newWorld(t, b, push.Options{})
		defer w.shutdown()
		positions := w.publishNumbers(1, 10)
		first := w.comesBack(positions[5])
		time.Sleep(4 * time.Millisecond) // the read is done, and hasn't come back
		w.publishNumbers(11, 12)
		w.settle()
		if got := first.take(); got != numbers("hello", 6, 12) {
			t.Errorf("the first got %s", got)
		}
		later := w.publishNumbers(13, 20)
		for place, want := range map[broker.Position]string{
			positions[5]: numbers("hello", 6, 20),
			positions[9]: numbers("hello", 10, 20),
			later[0]:     numbers("hello", 13, 20),
			later[7]:     numbers("hello", 20, 20),
			later[8]:     "[hello]",
		} {
			c := w.comesBack(place)
			synctest.Wait()
			if got := c.take(); got != want {
				t.Errorf("since %d got %s", place.Offset, got)
			}
		}
		if reads := b.reads(); reads != 1 {
			t.Errorf("%d reads, want 1", reads)
		}

		time.Sleep(5*time.Second - settle - 5*time.Millisecond)
		w.wantWindows(1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		w.wantWindows(0)
		c := w.comesBack(positions[5])
		w.settle()
		if got := c.take(); got != numbers("hello", 6, 20) || b.reads() != 1 {
			t.Errorf("after the window's end got %s", got)
		}
	})
}

// TestWindowEndsWithItsFeed: the window of a topic that lingers stays, and a read that ends
// after the topic was closed begins none.
func TestWindowEndsWithItsFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlowHistory(5*time.Millisecond, broker.History{})
		w := newWorld(t, b, push.Options{BrokerTimeout: time.Minute})
		defer w.shutdown()
		positions := w.publishNumbers(1, 10)
		come := func(s *session.Session, p broker.Position) {
			w.subscribe(s, cursor.Format("a", p), "a")
			synctest.Wait()
		}
		leave := func(s *session.Session) {
			s.Unsubscribe([]string{"a"}, func() *session.Frame { return word("bye") })
			synctest.Wait()
		}
		first, second := w.open(newConn()), w.open(newConn())
		come(first, positions[5])
		w.settle()
		w.wantWindows(1)
		leave(first)
		w.wantWindows(1)
		time.Sleep(linger)
		synctest.Wait()
		w.wantWindows(0)

		// Now they leave while one read is under way and another is to begin.
		b.reads()
		b.become(2*linger, nil)
		come(first, positions[5])
		come(second, positions[4])
		leave(first)
		leave(second)
		for range 10 {
			time.Sleep(linger / 2)
			synctest.Wait()
		}
		w.wantWindows(0)
		w.wantMemory()
		if n := b.reads(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

// TestWindowIsBounded has a window that grows past Options.ReplayMessages: the oldest go.
func TestWindowIsBounded(t *testing.T) {
	size := func(data string) int {
		return (&push.Message{ID: strings.Repeat("x", 36), Topic: "a", Data: []byte(data)}).Size()
	}
	frameSize := func(data string) int { return len(data) + 64 }
	for _, replay := range []broker.Limit{{Messages: 5}, {Bytes: 5 * size("10")}} {
		t.Run(fmt.Sprint(replay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broker := newSlowHistory(5*time.Millisecond, broker.History{})
				w := newWorld(t, broker, push.Options{ReplayMessages: replay.Messages, ReplayBytes: replay.Bytes})
				defer w.shutdown()
				positions := w.publishNumbers(10, 19)
				w.comesBack(positions[7])
				w.settle()
				broker.reads()
				positions = append(positions, w.publishNumbers(20, 39)[1:]...)
				if kept, bytes := session.Of(w.hub).Windows(); kept != 1 || bytes != int64(5*(size("10")+frameSize("10"))) {
					t.Errorf("%d windows with %d bytes", kept, bytes)
				}
				inReach := w.comesBack(positions[25])
				synctest.Wait()
				if got := inReach.take(); got != numbers("hello", 35, 39) || broker.reads() != 0 {
					t.Errorf("got %s", got)
				}
				tooFar := w.comesBack(positions[24])
				w.settle()
				if got := tooFar.take(); got != "[hello gap too_many 24-30]" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// TestWindowsAreBoundedTogether has as many topics with a window as exceed what
// one hub keeps. The frames in them count as well as the messages.
func TestWindowsAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := chain(1, 2)
		messages[1].Data = make([]byte, 1<<20-1000)
		broker := &scripted{head: messages[1].Position, since: func(broker.Position) (push.Page, error) {
			return push.Page{Messages: messages[1:]}, nil
		}}
		w := newWorld(t, broker, push.Options{})
		for i := range 80 {
			topic := fmt.Sprint(i)
			w.subscribe(w.open(newConn()), cursor.Format(topic, messages[0].Position), topic)
		}
		synctest.Wait()
		kept, bytes := session.Of(w.hub).Windows()
		if kept < 32 || kept > 64 || bytes > 64<<20 || bytes < 63<<20 {
			t.Errorf("%d windows with %d bytes", kept, bytes)
		}
		if gaps := w.hub.Stats().Gaps; gaps != 0 {
			t.Errorf("%d gaps", gaps)
		}
		w.shutdown()
		w.wantWindows(0)
	})
}

func TestBrokenChainEndsTheWindow(t *testing.T) {
	messages, other := chain(1, 6), chain(2, 4)
	forked := *messages[3]
	forked.PreviousTag = 99
	tests := map[string]struct {
		breaks func(push.Receiver)
		place  broker.Position // where the next client comes from
		page   push.Page       // what the broker says to it
		next   *push.Message
		want   string
	}{
		"by the broker": {
			func(r push.Receiver) { r.Break(broker.Gap{Reason: broker.GapEpoch, Now: other[2].Position}) },
			other[1].Position, push.Page{Messages: other[2:3]}, other[3], "[hello 3 4]",
		},
		"by a message": {
			func(r push.Receiver) { r.Receive(&forked) },
			messages[1].Position, push.Page{Gap: broker.GapFork}, messages[4], "[hello gap fork 2-4 5]",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reads, page := 0, push.Page{Messages: messages[1:3]}
				broker := &scripted{head: messages[2].Position, since: func(broker.Position) (push.Page, error) {
					reads++
					return page, nil
				}}
				w := newWorld(t, broker, push.Options{})
				defer w.shutdown()
				w.comesBack(messages[0].Position)
				synctest.Wait()
				w.wantWindows(1)
				test.breaks(broker.receiver())
				w.wantWindows(0)
				page = test.page
				c := w.comesBack(test.place)
				synctest.Wait()
				broker.receiver().Receive(test.next)
				synctest.Wait()
				if got := c.take(); got != test.want || reads != 2 {
					t.Errorf("got %s after %d reads, want %s", got, reads, test.want)
				}
			})
		})
	}
}
