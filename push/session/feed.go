package session

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// feed is one topic on this instance, from the first session that follows it until
// some seconds after the last: the one subscription at the broker, and the fan-out to the
// sessions, which the shards do. It encodes each message once for each format.
type feed struct {
	// static
	hub    *Host
	topic  string
	mirror *mirror       // of a state; nil for a log. What it has is guarded by mu.
	opened chan struct{} // closed when err is known
	err    error         // why the broker refused

	// guarded by hub.mu
	followers int
	lingers   *list.Element // in hub.lingering; nil while the feed doesn't linger
	left      time.Duration // when the last follower left, on the hub's clock

	count    atomic.Uint64 // messages so far; for surveys, which can't wait for mu
	surveyed uint64        // the count of the last survey; guarded by hub.surveys.mu

	mu      sync.Mutex // guards the rest
	ready   bool
	early   broker.Position // where the broker has come before Subscribe returned; zero if nowhere
	head    broker.Position
	since   time.Time // when the chain up to head began, as far as it was followed here
	groups  []*group
	lastSeq uint64          // counts what was fanned out
	place   broker.Position // of placeText
	placed  time.Time       // when placeText was made
	// placeText is the cursor of a place that was asked for lately, so that those who
	// come to the same place share its text.
	placeText string

	closed    bool
	window    *window     // nil if none is kept
	windowEnd *time.Timer // runs while there is a window
	// reads has a key for each read under way: with the next that begins after it, nil
	// while nobody waits for one.
	reads map[readKey]*sharedRead
}

// group is the subscriptions of one format.
type group struct {
	format Format
	parts  []*shardGroup // those that aren't empty
}

// shardGroup gives the group's part in a shard, or nil.
func (g *group) part(sh *shard) *shardGroup {
	for _, p := range g.parts {
		if p.shard == sh {
			return p
		}
	}
	return nil
}

// fanOut has each part deliver. It is in the shards' queues then.
func (g *group) fanOut(d delivery) {
	memory := &g.parts[0].shard.hub.memory
	d.lent = memory.admit(d.frame)
	d.trace.add(len(g.parts))
	for _, p := range g.parts {
		d.group = p
		p.shard.enqueue(d)
	}
	if d.lent {
		memory.release(d.frame)
	}
}

// open subscribes at the broker; it is called once.
func (f *feed) open() {
	ctx, cancel := context.WithTimeout(context.Background(), f.hub.options.BrokerTimeout)
	defer cancel()
	head, err := f.hub.broker.Subscribe(ctx, f.topic, f)
	if err == nil && f.mirror != nil {
		f.mu.Lock()
		f.head = head
		f.mu.Unlock()
		if err = f.loadMirror(ctx); err != nil {
			f.hub.broker.Unsubscribe(f.topic, f)
		}
	}
	f.mu.Lock()
	f.head, f.since, f.err, f.ready = head, time.Now(), err, true
	if !f.early.IsZero() {
		f.head = f.early // nobody was there to be told
	}
	f.mu.Unlock()
	close(f.opened)
}

// isOpen reports whether the broker has answered: err is known then.
func (f *feed) isOpen() bool {
	select {
	case <-f.opened:
		return true
	default:
		return false
	}
}

// close ends the subscription at the broker, once that has answered, and lets go of the
// window. Nobody follows the feed any more.
func (f *feed) close() {
	<-f.opened
	if f.err == nil {
		f.hub.broker.Unsubscribe(f.topic, f)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.forget()
	f.closeMirror()
}

// Receive takes the next message from the broker; see [push.Receiver].
func (f *feed) Receive(m *push.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		f.early = m.Position
		if f.mirror != nil {
			f.receiveChange(m)
		}
		return
	}
	f.receive(m)
}

// Break takes a gap from the broker; see [push.Receiver].
func (f *feed) Break(gap broker.Gap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		f.early = gap.Now
		if f.mirror != nil {
			f.brokenState(gap.Reason)
		}
		return
	}
	f.broken(gap)
}

func (f *feed) receive(m *push.Message) {
	if !m.Follows(f.head) {
		// The broker promised that this can't be. What it hides is told.
		reason := broker.GapFork
		if m.Epoch != f.head.Epoch {
			reason = broker.GapEpoch
		}
		f.hub.options.Logger.Error("push: broker broke the chain of a topic", "topic", f.topic, "reason", reason)
		f.broken(broker.Gap{Reason: reason, Now: before(m)})
	}
	f.head = m.Position
	f.count.Add(1)
	e := &entry{hub: f.hub, message: m}
	f.extend(e)
	if f.mirror != nil {
		f.receiveChange(m)
		return
	}
	f.lastSeq++
	arrived := f.hub.stampOf(m)
	var t *trace
	if len(f.groups) > 0 {
		t = f.hub.trace(m)
	}
	for _, g := range f.groups {
		frame := e.frame(g.format)
		frame.arrived = arrived
		t.mark(frame)
		g.fanOut(delivery{seq: f.lastSeq, frame: frame, trace: t})
	}
	t.done(nil)
}

func (f *feed) broken(gap broker.Gap) {
	gap.Topic, gap.Last = f.topic, f.head
	f.head, f.since = gap.Now, time.Now()
	f.forget()
	if f.mirror != nil {
		f.brokenState(gap.Reason)
		return
	}
	f.lastSeq++
	for _, g := range f.groups {
		g.fanOut(delivery{seq: f.lastSeq, frame: g.format.Gap(gap), gap: &gap})
	}
}

// deliverTo hands a message that has no position to the sessions of one format.
func (f *feed) deliverTo(format Format, m *push.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.group(format); g != nil {
		f.lastSeq++
		f.count.Add(1)
		frame := format.Message(m)
		frame.arrived = f.hub.stampAt(time.Now())
		g.fanOut(delivery{seq: f.lastSeq, frame: frame, aside: true})
	}
}

// attach adds a subscription, which holds back what comes until it is released,
// and tells it the head that it follows from.
func (f *feed) attach(sub *subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.group(sub.session.format)
	if g == nil {
		g = &group{format: sub.session.format}
		f.groups = append(f.groups, g)
	}
	f.locate(sub.catchUp)
	p := g.part(sub.session.shard)
	if p == nil {
		p = &shardGroup{shard: sub.session.shard, transport: sub.session.transport}
		if f.mirror != nil {
			format := sub.session.format.(StateFormat)
			p.state = &stateGroup{feed: f, part: p, format: format, upTo: f.head, restarts: f.mirror.restarts}
		}
		g.parts = append(g.parts, p)
	}
	if f.mirror != nil {
		sub.catchUp.lag.delayed = f.delays(sub)
	}
	p.attach(sub, f.lastSeq)
}

// detach removes a subscription; nothing is delivered to it any more.
func (f *feed) detach(sub *subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.group(sub.session.format)
	p := g.part(sub.session.shard)
	if p.detach(sub) {
		g.parts = slices.DeleteFunc(g.parts, func(other *shardGroup) bool { return other == p })
	}
	if len(g.parts) == 0 {
		f.groups = slices.DeleteFunc(f.groups, func(other *group) bool { return other == g })
	}
	if f.mirror != nil && len(f.groups) == 0 {
		f.stopClock()
	}
}

// cursor gives the cursor of a place in the topic.
func (f *feed) cursor(place broker.Position) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.place != place || place.Offset == 0 && now.Sub(f.placed) > min(time.Minute, f.hub.life/8) {
		f.place, f.placed, f.placeText = place, now, cursor.Format(f.topic, place)
	}
	return f.placeText
}

func (f *feed) group(format Format) *group {
	for _, g := range f.groups {
		if g.format == format {
			return g
		}
	}
	return nil
}
