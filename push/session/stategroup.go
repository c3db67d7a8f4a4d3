package session

import (
	"sync"

	"github.com/tidewire/tidewire/broker"
)

// stateGroup is what a shardGroup has of a state topic: the keys that have changed since its
// subscriptions were told last. While the shard is busy they gather, each once, so a state
// that changes faster than it can be told is told less often.
type stateGroup struct {
	// static
	feed   *feed
	part   *shardGroup
	format StateFormat

	mu        sync.Mutex // guards the rest; taken under feed.mu or Session.mu
	lacking   lackingKeys
	upTo      broker.Position  // of the topic, when the last key was added
	reset     broker.GapReason // the whole map is to be told again, for this reason; "" if not
	restarts  uint64           // mirror.restarts
	scheduled bool             // the shard is to deliver
	awaited   bool             // a subscription waits for the next batch, even if it is empty
	told      uint64           // counts the batches
}

// stateBatch is what the subscriptions of a stateGroup are told at once. Those that have all
// that was before it share its frames; the last of these moves the cursor.
type stateBatch struct {
	number   uint64
	keys     []lackingKey
	upTo     broker.Position
	reset    broker.GapReason
	restarts uint64 // of the mirror, by the time of upTo
	frames   []stateFrame
	lent     bool // the shard keeps the frames for those to which it writes in its round
}

type stateFrame struct {
	frame *Frame
	end   int // how many of the batch's keys are told by it and those before
}

const (
	// stateFrameSize is about how many bytes of changes a shared frame has.
	stateFrameSize = 16 << 10
	// changeOverhead is about what a change takes in a frame besides its key and data.
	changeOverhead = 40
)

func (c *Change) size() int { return len(c.Key) + len(c.Data) + changeOverhead }

// add notes that a key has changed; with now, the shard delivers it at once.
func (g *stateGroup) add(k lackingKey, upTo broker.Position, now bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lacking.add(k)
	g.upTo = upTo
	if now {
		g.schedule()
	}
}

// restart makes the next batch one that tells the whole map again.
func (g *stateGroup) restart(mr *mirror, at broker.Position, now bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lacking.all()
	g.reset, g.restarts, g.upTo = mr.broke, mr.restarts, at
	if now {
		g.schedule()
	}
}

// schedule has the shard deliver. Called with g.mu held.
func (g *stateGroup) schedule() {
	if !g.scheduled {
		g.scheduled = true
		g.part.shard.enqueue(delivery{group: g.part})
	}
}

// scheduleAll has the shard deliver what has gathered. It reports whether there is anything.
func (g *stateGroup) scheduleAll() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lacking.len() == 0 && g.reset == "" && !g.awaited {
		return false
	}
	g.schedule()
	return true
}

// toldSoFar counts the batches that have begun to be told.
func (g *stateGroup) toldSoFar() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.told
}

// next begins a batch.
func (g *stateGroup) next() *stateBatch {
	g.mu.Lock()
	g.told++
	b := &stateBatch{number: g.told, keys: g.lacking.all(), upTo: g.upTo, reset: g.reset, restarts: g.restarts}
	g.reset, g.scheduled, g.awaited = "", false, false
	g.mu.Unlock()
	if b.reset == "" {
		g.encode(b)
	}
	return b
}

// encode makes the batch's frames, of the values as they are now. A mirror that isn't good
// any more has none, nor has one that was read again since: the whole map follows.
func (g *stateGroup) encode(b *stateBatch) {
	f := g.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mirror.loading || f.mirror.restarts != b.restarts {
		return
	}
	var changes []Change
	size := 0
	for i, k := range b.keys {
		c := f.mirror.change(k)
		changes = append(changes, c)
		size += c.size()
		last := i == len(b.keys)-1
		if !last && size < stateFrameSize {
			continue
		}
		at := broker.Position{}
		if last {
			at = b.upTo
		}
		b.frames = append(b.frames, stateFrame{g.format.State(f.topic, changes, at), i + 1})
		changes, size = changes[:0], 0
	}
}

// dispatchState tells all subscriptions what has changed. The frames stay with the delivery
// until the sessions have had their turn.
func (p *shardGroup) dispatchState(d *delivery) {
	b := p.state.next()
	memory := &p.shard.hub.memory
	b.lent = true
	for _, f := range b.frames {
		if b.lent = memory.keep(f.frame, memory.limit); !b.lent {
			break
		}
		d.batch = append(d.batch, f.frame)
	}
	told := p.each(b.number, func(sub *subscription) { sub.deliverBatch(b) })
	p.shard.delivered[p.transport].Add(uint64(told * len(b.frames)))
}
