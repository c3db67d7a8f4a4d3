package push

import (
	"context"
	"sync"

	"github.com/tidewire/tidewire/broker"
)

// bus is how the hubs of one system talk to each other: over a topic of their own, which
// gives order and the repair of what is lost, as any topic does. It is the receiver of that
// topic. What it calls must return soon.
type bus struct {
	broker Broker // static

	turn chan struct{} // of one: held by the call of begin that asks the broker

	mu      sync.Mutex // guards the rest
	begun   bool       // the topic is followed
	stopped bool
	events  map[string]func(data []byte)
	breaks  []func()
}

const busTopic = broker.ReservedTopicPrefix + "control"

func newBus(b Broker) *bus {
	return &bus{broker: b, turn: make(chan struct{}, 1), events: map[string]func([]byte){}}
}

// on has a function called for events of one kind, in the order in which all hubs get them.
func (b *bus) on(event string, do func(data []byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[event] = do
}

// onBreak has a function called when events may have been missed.
func (b *bus) onBreak(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.breaks = append(b.breaks, do)
}

// tell sends an event to all hubs that have begun, this one too.
func (b *bus) tell(ctx context.Context, event string, data []byte) error {
	_, err := b.broker.Publish(ctx, Message{Topic: busTopic, Event: event, Data: data, reserved: true})
	return err
}

// begin returns when events arrive, from that moment on. The first client calls it; a hub
// that has none hears nothing.
func (b *bus) begin(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	done := b.begun || b.stopped
	b.mu.Unlock()
	if done {
		return nil
	}
	if _, err := b.broker.Subscribe(ctx, busTopic, b); err != nil {
		return err
	}
	b.mu.Lock()
	b.begun = !b.stopped
	late := b.stopped
	b.mu.Unlock()
	if late {
		b.broker.Unsubscribe(busTopic, b)
	}
	return nil
}

// stop ends what begin began, and what it may still begin.
func (b *bus) stop() {
	b.mu.Lock()
	b.stopped = true
	begun := b.begun
	b.begun = false
	b.mu.Unlock()
	if begun {
		b.broker.Unsubscribe(busTopic, b)
	}
}

// Receive takes what a hub has told; see [Receiver]. An event of a newer version means
// nothing here.
func (b *bus) Receive(m *Message) {
	b.mu.Lock()
	do := b.events[m.Event]
	b.mu.Unlock()
	if do != nil {
		do(m.Data)
	}
}

// Break says that events may have been missed; see [Receiver].
func (b *bus) Break(broker.Gap) {
	b.mu.Lock()
	breaks := b.breaks
	b.mu.Unlock()
	for _, do := range breaks {
		do()
	}
}
