package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// lossyBroker is an instance of a broker that delivers late, and loses what it is told to
// lose: then it breaks the chain, as a broker over a network does that has to repair more
// than history has.
type lossyBroker struct {
	*membroker.Broker
	late func() time.Duration
	runs sync.WaitGroup

	mu    sync.Mutex
	links []*lossyLink
}

// NonBlocking hides that of the broker in memory: this one isn't.
func (b *lossyBroker) NonBlocking(int) {}

type lossyLink struct {
	to push.Receiver

	mu    sync.Mutex
	queue []func()
	busy  bool
	at    broker.Position
	lose  int // so many messages
}

func (b *lossyBroker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	l := &lossyLink{to: r}
	at, err := b.Broker.Subscribe(ctx, topic, l.receiver(b))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		l.at = at
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links = append(b.links, l)
	return at, err
}

func (b *lossyBroker) Unsubscribe(topic string, r push.Receiver) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.links {
		if l.to == r {
			l.mu.Lock()
			l.queue = nil
			l.mu.Unlock()
		}
	}
}

// Close waits for what is on its way.
func (b *lossyBroker) Close(ctx context.Context) error {
	b.runs.Wait()
	return b.Broker.Close(ctx)
}

// lose has the next messages lost on their way to this instance, and then the chain broken.
func (b *lossyBroker) lose(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.links {
		l.mu.Lock()
		l.lose = n
		l.mu.Unlock()
	}
}

func (l *lossyLink) receiver(b *lossyBroker) push.Receiver { return &lossyReceiver{l, b} }

type lossyReceiver struct {
	link *lossyLink
	b    *lossyBroker
}

func (r *lossyReceiver) Break(broker.Gap) { panic("membroker never breaks") }

func (r *lossyReceiver) Receive(m *push.Message) {
	l := r.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, func() { l.deliver(m) })
	if !l.busy {
		l.busy = true
		r.b.runs.Go(func() { l.run(r.b.late) })
	}
}

func (l *lossyLink) run(late func() time.Duration) {
	for {
		time.Sleep(late()) //clock:virtual
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		next := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		next()
	}
}

func (l *lossyLink) deliver(m *push.Message) {
	l.mu.Lock()
	lost := l.lose > 0
	if lost {
		l.lose--
	}
	broken := !lost && !m.Follows(l.at)
	l.mu.Unlock()
	if lost {
		return
	}
	if broken {
		before := broker.Position{Epoch: m.Epoch, Offset: m.Offset - 1, Tag: m.PreviousTag}
		l.to.Break(broker.Gap{Reason: broker.GapTrimmed, Now: before})
	}
	l.to.Receive(m)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = m.Position
}

// TestStateHealsAfterABreak has an instance lose messages while clients follow: they get all
// again, and have the map in the end.
func TestStateHealsAfterABreak(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				b := &lossyBroker{late: func() time.Duration { return rand.N(3 * time.Millisecond) }}
				b.Broker = membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true}}})
				w, format := newWorld(t, b, push.Options{}), &stateFormat{}
				defer w.shutdown()
				clients := make([]*stateClient, 6)
				for i := range clients {
					clients[i] = newStateClient()
					if i%2 == 0 {
						clients[i].pause = func() time.Duration { return rand.N(20 * time.Millisecond) }
					}
					w.followState(format, clients[i])
				}
				for i := range 600 {
					w.randomChange(t.Context(), r, 30)
					if i%100 == 50 {
						b.lose(1 + r.IntN(5))
					}
					if r.IntN(3) == 0 {
						time.Sleep(rand.N(4 * time.Millisecond)) //clock:virtual
					}
				}
				time.Sleep(30 * time.Second) //clock:virtual
				synctest.Wait()
				for i, c := range clients {
					w.wantMap(fmt.Sprint("client ", i), c)
				}
				if w.hub.Stats().Resets == 0 {
					t.Error("nothing broke")
				}
				w.wantMemory()
			})
		})
	}
}

// TestNothingOfAnotherHistoryBeforeTheReset has the map read again while a client is being sent
// what had changed before, and the reset waits: the client gets no value of what was read
// before it.
func TestNothingOfAnotherHistoryBeforeTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &lossyBroker{late: func() time.Duration { return time.Millisecond }}
		b.Broker = membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true, Interval: time.Second}}})
		w, format := newWorld(t, b, push.Options{}), &stateFormat{}
		defer w.shutdown()
		c := newStateClient()
		c.pause = func() time.Duration { return 300 * time.Millisecond }
		w.followState(format, c)
		time.Sleep(5 * time.Second) //clock:virtual
		large := strings.Repeat("x", 3<<10)
		for i := range 12 {
			w.set(fmt.Sprint("k", i), "old"+large)
		}
		time.Sleep(1100 * time.Millisecond) //clock:virtual
		c.mu.Lock()
		c.changed = func(key string) {
			if strings.HasPrefix(c.values[key], "new") && c.resets == 0 {
				t.Errorf("%s is new before the reset", key)
			}
		}
		c.mu.Unlock()
		b.lose(1)
		w.set("k11", "new"+large)
		w.set("k0", "new"+large)
		time.Sleep(time.Minute) //clock:virtual
		w.wantMap("after the reset", c)
		if c.resets != 1 {
			t.Errorf("%d resets", c.resets)
		}
	})
}

// TestClientIsNotShownWhatWasBefore: a client that comes from an instance which had heard
// more waits until this one has, too.
func TestClientIsNotShownWhatWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &lossyBroker{late: func() time.Duration { return time.Second }}
		b.Broker = membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true}}})
		w, format := newWorld(t, b, push.Options{}), &stateFormat{}
		defer w.shutdown()
		first, second := newStateClient(), newStateClient()
		w.followState(format, first)
		w.set("k", "new")
		w.followState(format, second)
		synctest.Wait()
		w.wantMap("who came after the change", second)
		if w.hub.Stats().Sessions != 2 {
			t.Errorf("%d sessions", w.hub.Stats().Sessions)
		}
	})
}

// silentBroker is one whose heads come as late as the caller waits for them.
type silentBroker struct{ lossyBroker }

func (b *silentBroker) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	<-ctx.Done()
	page, _ := b.Broker.Recent(context.Background(), topic, limit)
	return page, ctx.Err()
}

// TestHeadThatComesTooLate: a client whose time is up while a state's head is read is refused for now, and reads nothing of
// what still comes. The race detector sees if it does.
func TestHeadThatComesTooLate(t *testing.T) {
	b := &silentBroker{}
	b.Broker = membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true}}})
	w, format := newWorld(t, b, push.Options{BrokerTimeout: 5 * time.Millisecond}), &stateFormat{}
	defer w.shutdown()
	var clients sync.WaitGroup
	for range 50 {
		clients.Go(func() {
			s, err := session.Of(w.hub).Open(session.Client{Format: format, Conn: newConn()})
			if err != nil {
				t.Error(err)
				return
			}
			s.Subscribe(t.Context(), []session.Follow{{Topic: "s/a", State: true}}, func(answers []session.Followed) *session.Frame {
				if answers[0].Err == nil {
					t.Error("it is followed")
				}
				return &session.Frame{Bytes: []byte("{}")}
			})
			closed(s)
		})
	}
	clients.Wait()
}
