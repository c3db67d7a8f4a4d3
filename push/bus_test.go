package push

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// slowBroker takes a second for each Subscribe, and repeats to its receiver what is
// published.
type slowBroker struct {
	Broker
	fails bool

	mu        sync.Mutex
	calls     []string
	receivers []Receiver
}

func (b *slowBroker) Publish(_ context.Context, m Message) (Receipt, error) {
	if err := m.Prepare(100); err != nil {
		return Receipt{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.receivers {
		r.Receive(&m)
	}
	return Receipt{}, nil
}

func (b *slowBroker) Subscribe(ctx context.Context, topic string, r Receiver) (broker.Position, error) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return broker.Position{}, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails {
		return broker.Position{}, CodeUnavailable
	}
	b.calls, b.receivers = append(b.calls, "+"+topic), append(b.receivers, r)
	return broker.Position{}, nil
}

func (b *slowBroker) Unsubscribe(topic string, _ Receiver) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.receivers = append(b.calls, "-"+topic), nil
}

func TestBusCallsWhoeverHasRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(&slowBroker{})
		var got []string
		b.on("x", func(data []byte) { got = append(got, "x"+string(data)) })
		b.on("y", func(data []byte) { got = append(got, "y"+string(data)) })
		b.onBreak(func() { got = append(got, "break") })
		b.onBreak(func() { got = append(got, "break, too") })
		tell := func(event, data string) {
			if err := b.tell(t.Context(), event, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		tell("x", "0") // nobody has begun
		if err := b.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		tell("x", "1")
		tell("y", "2")
		tell("of a newer version", "3")
		b.Break(broker.Gap{})
		b.stop()
		tell("x", "4")
		if want := []string{"x1", "y2", "break", "break, too"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

func TestBusBeginsOnce(t *testing.T) {
	for name, test := range map[string]struct {
		fails  bool
		begins int           // at the same time
		stop   time.Duration // after they began
		want   []string
		err    error
	}{
		"one":                        {begins: 1, stop: time.Minute, want: []string{"+" + busTopic, "-" + busTopic}},
		"several at the same time":   {begins: 3, stop: time.Minute, want: []string{"+" + busTopic, "-" + busTopic}},
		"a stop meanwhile":           {begins: 3, stop: time.Second / 2, want: []string{"+" + busTopic, "-" + busTopic}},
		"a broker that doesn't work": {fails: true, begins: 2, stop: time.Minute, err: CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := &slowBroker{fails: test.fails}
				b := newBus(at)
				for range test.begins {
					go func() {
						if err := b.begin(t.Context()); !errors.Is(err, test.err) {
							t.Errorf("begin: %v", err)
						}
					}()
				}
				time.Sleep(test.stop)
				b.stop()
				time.Sleep(time.Minute)
				if err := b.begin(t.Context()); err != nil {
					t.Errorf("after stop: %v", err)
				}
				if !slices.Equal(at.calls, test.want) {
					t.Errorf("the broker was asked for %q", at.calls)
				}
			})
		})
	}
}

// TestBusBeginEndsWithItsContext: also while it waits for another call.
func TestBusBeginEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(&slowBroker{})
		go func() { _ = b.begin(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := b.begin(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("begin: %v", err)
		}
		time.Sleep(time.Minute)
	})
}
