package faults_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
)

// publisher publishes to a topic until it is stopped, come what may, and knows which messages were acknowledged.
type publisher struct {
	t     *testing.T
	b     push.Publisher
	topic string
	stop  func()

	mu     sync.Mutex // guards the rest
	acked  []string
	failed int // the broker said that it may or may not be stored
}

// publishing starts a publisher, whose messages are "name 1", "name 2" and so on.
func publishing(t *testing.T, b push.Publisher, topic, name string) *publisher {
	t.Helper()
	p := &publisher{t: t, b: b, topic: topic}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { p.run(ctx, name) })
	p.stop = func() {
		cancel()
		work.Wait()
	}
	t.Cleanup(p.stop)
	return p
}

func (p *publisher) run(ctx context.Context, name string) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for n := 1; ctx.Err() == nil; n++ {
		data := fmt.Sprintf("%s %d", name, n)
		// The call itself isn't cut short by stop, so that its outcome is known.
		_, err := p.b.Publish(context.WithoutCancel(ctx), push.Message{Topic: p.topic, Data: []byte(data)})
		p.note(data, err)
		<-pace.C
	}
}

func (p *publisher) note(data string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.acked = append(p.acked, data)
	case errors.Is(err, push.CodeUnavailable), errors.Is(err, push.CodeTimeout):
		p.failed++
	default:
		p.t.Errorf("Publish to %s: %v", p.topic, err)
	}
}

// awaitAcked waits for n more acknowledged messages.
func (p *publisher) awaitAcked(n int) {
	p.t.Helper()
	start := p.count()
	await(p.t, fmt.Sprintf("%d messages acknowledged on %s", n, p.topic), func() bool { return p.count() >= start+n })
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.acked)
}

// wantAll fails unless the follower has every message that was acknowledged, and, in the order of this publisher, what
// else it has of it. The publisher is stopped.
func (p *publisher) wantAll(f *follower) {
	p.t.Helper()
	for _, data := range p.acked {
		if !f.has(data) {
			p.t.Errorf("%s: %q was acknowledged and never came", p.topic, data)
		}
	}
}

// end stops the publisher, publishes a last message, and waits until all followers have it.
func (p *publisher) end(followers ...*follower) {
	p.t.Helper()
	p.stop()
	last := "end of " + p.topic
	awaitPublish(p.t, p.b, push.Message{Topic: p.topic, ID: "end", Data: []byte(last)})
	for _, f := range followers {
		f.await(last)
	}
}
