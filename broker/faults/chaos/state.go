package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/faults/mirror"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// statePrefix starts the names of topics that are states.
const statePrefix = "state/"

// rules are those of all brokers.
var rules = []push.TopicRule{{Pattern: statePrefix + "{n}", State: true}}

const (
	// stateShare is one in how many things that a publisher does is a change of a state.
	stateShare = 3
	stateKeys  = 100 // of a state, that publishers change
	// Some keys end by themselves.
	shortestTTL, longestTTL = time.Second, 8 * time.Second
	comparePause            = 100 * time.Millisecond
)

// followState has the client follow a state besides its topics.
func (c *client) followState(topic string) {
	c.state, c.mirror = topic, mirror.New(topic)
}

// asked are all topics that the client follows.
func (c *client) asked() []string {
	if c.state == "" {
		return c.topics
	}
	return append(slices.Clip(c.topics), c.state)
}

// beginState takes the answer about the state, and returns why it is refused for now.
func (c *client) beginState(f *frame) error {
	if c.state == "" {
		return nil
	}
	parsed, err := protocol.ParseFrame(f.text)
	if err != nil {
		return err
	}
	for _, a := range parsed.Answers {
		switch {
		case a.Topic != c.state:
		case a.Failure != nil:
			return fmt.Errorf("topic %s is refused: %w", c.state, a.Failure.Error())
		default:
			c.mirror.Begin(a)
		}
	}
	return nil
}

// takeState takes a frame about the state.
func (c *client) takeState(f *frame) error {
	parsed, err := protocol.ParseFrame(f.text)
	if err != nil || parsed.State.Topic != c.state {
		c.violated.add(broken, c.number, c.state, "the frame %.100s: %v", f.text, err)
		return errors.New("a frame about a state that can't be read, or isn't followed")
	}
	c.mirror.Take(&parsed)
	return nil
}

// change makes a random change of a state. A named one is tried until it is made, or the context ends.
func (p *publisher) change(ctx context.Context) {
	m := push.Message{
		Topic: p.states[p.random.IntN(len(p.states))], Key: fmt.Sprint("key", p.random.IntN(stateKeys)), Op: broker.OpSet,
		Data: fmt.Appendf(nil, "%d-%d %s", p.number, p.sequence, strings.Repeat("x", p.random.IntN(maxPadding))),
	}
	p.sequence++
	if p.random.IntN(2) == 0 {
		m.ID = fmt.Sprintf("change-%d-%d", p.number, p.sequence)
	}
	switch p.random.IntN(6) {
	case 0:
		m.Op, m.Data = broker.OpDelete, nil
	case 1, 2:
		m.Op, m.Data = broker.OpAppend, m.Data[:min(len(m.Data), 20)]
	case 3:
		m.TTL = shortestTTL + time.Duration(p.random.Int64N(int64(longestTTL-shortestTTL)))
	}
	p.make(ctx, m)
}

// make makes a change of a state, and reports whether it is known to be made.
func (p *publisher) make(ctx context.Context, m push.Message) bool {
	for {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
		_, err := p.broker.Publish(limit, m)
		cancel()
		switch {
		case err == nil:
			p.ledger.stateChanges.Add(1)
			return true
		case errors.Is(err, push.CodeBadRequest), errors.Is(err, push.CodeConflict), errors.Is(err, push.CodeTooLarge),
			errors.Is(err, push.CodeWrongKind):
			p.ledger.found.add(broken, noClient, m.Topic, "%s of %s was refused: %v", m.Op, m.Key, err)
			return false
		case m.ID == "" || ctx.Err() != nil:
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryBackoff):
		}
	}
}

// probeStates changes a key of each state, and waits until all clients have it.
func (w *world) probeStates(ctx context.Context, p *publisher) {
	for _, topic := range w.states {
		p.sequence++
		key, value := fmt.Sprint("probe", p.number), fmt.Sprint(p.sequence)
		ok := p.make(ctx, push.Message{
			ID: fmt.Sprintf("probe-%d-%s", p.number, value), Topic: topic, Key: key, Op: broker.OpSet, Data: []byte(value),
		})
		for _, c := range w.clients {
			for ok && ctx.Err() == nil && c.state == topic && !c.has(key, value) {
				time.Sleep(pollInterval)
			}
		}
	}
}

func (c *client) has(key, value string) bool {
	got, _ := c.mirror.Get(key)
	return got == value
}

// settleStates waits until each client has the map that the broker has of its state.
func (w *world) settleStates(ctx context.Context) error {
	for i := range w.brokers {
		p := w.newPublisher(w.config.publishers+1+i, time.Second)
		for _, topic := range w.states {
			m := push.Message{ID: fmt.Sprint("end-", i), Topic: topic, Key: fmt.Sprint("end", i), Op: broker.OpSet, Data: []byte("end")}
			if !p.make(ctx, m) {
				return fmt.Errorf("no last change could be made to %s", topic)
			}
		}
	}
	for {
		c, differs, err := w.differing(ctx)
		switch {
		case err != nil:
			return err
		case c == nil:
			return nil
		case ctx.Err() != nil:
			w.found.add(misled, c.number, c.state, "not the broker's map within %v: %s; %+v", wholeWithin, differs, c.mirror.Figures())
			return fmt.Errorf("copies of states weren't right within %v", wholeWithin)
		}
		time.Sleep(comparePause)
	}
}

// differing returns a client whose map isn't the broker's.
func (w *world) differing(ctx context.Context) (differing *client, how string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	for _, topic := range w.states {
		states, _ := w.brokers[0].(push.StateBroker)
		page, err := states.State(ctx, topic)
		if err != nil {
			return nil, "", fmt.Errorf("reading %s: %w", topic, err)
		}
		for _, c := range w.clients {
			if c.state != topic {
				continue
			}
			if how := c.mirror.Differs(page.Messages); how != "" {
				return c, how, nil
			}
		}
	}
	return nil, "", nil
}

// judgeStates reports what clients were told wrongly, and sums up what they were told.
func (w *world) judgeStates() (sum mirror.Figures) {
	for _, c := range w.clients {
		if c.mirror == nil {
			continue
		}
		for _, wrong := range c.mirror.Wrong() {
			w.found.add(misled, c.number, c.state, "%s", wrong)
		}
		f := c.mirror.Figures()
		sum.Snapshots, sum.Resets, sum.Frames = sum.Snapshots+f.Snapshots, sum.Resets+f.Resets, sum.Frames+f.Frames
		sum.Sets, sum.Appends, sum.Deletes = sum.Sets+f.Sets, sum.Appends+f.Appends, sum.Deletes+f.Deletes
	}
	if sum.Resets > 0 && w.ledger.excuses().ever == 0 {
		w.found.add(mistold, noClient, "", "%d resets of states, and nothing was lost", sum.Resets)
	}
	return sum
}
