package session

import (
	"context"
	"sync/atomic"

	"github.com/tidewire/tidewire/broker"
)

// sharedRead is one read of a topic's history for all who asked before it began, and
// so were attached before: it reaches the heads that they follow from, unless
// Options.ReplayMessages ends it sooner.
type sharedRead struct {
	hub  *Host
	from broker.Position // where it begins; may move back until then
	// newest is how many of the topic's last messages are read, instead of what follows
	// from; may grow until then.
	newest   int
	fresh    bool          // the window doesn't do
	headOnly bool          // only where the topic is
	upTo     uint64        // how far it must come to be of use, for those who are behind; 0 if none is
	done     chan struct{} // closed when the rest is known

	users atomic.Int32 // those who wait for it or use it, and who makes it

	window *window          // what follows from, as far as it was read; kept for its users
	broken bool             // the broker gave more, but not as one chain
	gap    broker.GapReason // why there is no window
	head   broker.Position  // the topic's, by the broker
	err    error
}

// readKey says who shares a read.
type readKey struct {
	place  broker.Position // of those that ask for their place alone; zero for the others
	newest bool            // those that ask for the newest messages
	head   bool            // those that ask where the topic is
}

// sharedReads is how often a client asks together with others before it asks for
// its place alone. One of the others may spoil a read: with a place that isn't
// real, or one so far back that the read doesn't reach everybody's head.
const sharedReads = 2

// leave ends the use of a read; the last releases what was read.
func (r *sharedRead) leave() {
	if r.users.Add(-1) == 0 && r.window != nil {
		releaseAll(r.window.messages)
	}
}

// missed returns all that a client missed, kept for it, or the reason why that can't be had. It
// comes from the window if that knows the client's place, else from a read that is
// shared with all who come meanwhile. Who is ahead of this instance asks for its
// slot alone.
func (f *feed) missed(ctx context.Context, c *catchUp) ([]*entry, *broker.Gap, error) {
	for try := 0; ; try++ {
		if missed, gap, ok := f.remembered(c); ok {
			return missed, gap, nil
		}
		key := readKey{place: c.since}
		if try < sharedReads && !c.isAhead() {
			key = readKey{}
		}
		missed, gap, ok, err := f.read(ctx, key, c)
		if ok || err != nil {
			return missed, gap, err
		}
	}
}

// remembered returns what a client missed if the window has it.
func (f *feed) remembered(c *catchUp) (missed []*entry, gap *broker.Gap, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.window == nil {
		return nil, nil, false
	}
	missed, gap, ok = c.missedIn(f.window)
	return keepAll(missed), gap, ok
}

// read waits for a read that begins after this call, with those who ask with the
// same key: a place, or no place for a read that begins at the lowest of theirs.
// The waiting ends with the context; the read goes on for the others. It isn't ok if
// the read doesn't say what the client missed.
func (f *feed) read(ctx context.Context, key readKey, c *catchUp) (missed []*entry, gap *broker.Gap, ok bool, err error) {
	r := f.join(key, c.join)
	defer r.leave()
	if err := r.wait(ctx); err != nil {
		return nil, nil, false, err
	}
	missed, gap, ok = r.answer(c)
	return keepAll(missed), gap, ok, nil
}

// wait returns when the read has ended, or with the context.
func (r *sharedRead) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the next read with this key, and makes sure that it is made. ask adds to
// what is read.
func (f *feed) join(key readKey, ask func(r *sharedRead)) *sharedRead {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, underWay := f.reads[key]
	if r == nil {
		r = &sharedRead{hub: f.hub, done: make(chan struct{})}
		r.users.Add(1) // who makes it
		if f.reads == nil {
			f.reads = map[readKey]*sharedRead{}
		}
		f.reads[key] = r
		if !underWay {
			f.hub.work.Go(func() { f.runReads(key) })
		}
	}
	ask(r)
	r.users.Add(1)
	return r
}

// join makes a read begin at the client's place or before it.
func (c *catchUp) join(r *sharedRead) {
	if r.from.IsZero() || c.since.Offset < r.from.Offset {
		r.from = c.since
	}
	if !c.isAhead() && (r.upTo == 0 || c.head.Offset < r.upTo) {
		r.upTo = c.head.Offset
	}
}

// runReads does the reads with one key, one at a time, until nobody waits.
func (f *feed) runReads(key readKey) {
	for r := f.nextRead(key); r != nil; r = f.nextRead(key) {
		f.fetch(r)
		close(r.done)
		r.leave()
	}
}

// nextRead returns the read that begins now: nobody joins it any more.
func (f *feed) nextRead(key readKey) *sharedRead {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.reads[key]
	if r == nil {
		delete(f.reads, key)
	} else {
		f.reads[key] = nil
	}
	return r
}

// fetch asks the broker, unless the window has come to know the messages meanwhile.
func (f *feed) fetch(r *sharedRead) {
	if r.headOnly {
		f.fetchHead(r)
		return
	}
	f.mu.Lock()
	if f.window != nil && r.isWithin(f.window) {
		r.window = &window{start: r.from, messages: keepAll(f.window.between(r.from, f.window.end()))}
		f.mu.Unlock()
		return
	}
	f.remember() // what comes from now on follows what is read
	f.mu.Unlock()

	options := &f.hub.options
	ctx, cancel := context.WithTimeout(context.Background(), options.BrokerTimeout)
	defer cancel()
	memory := &f.hub.memory
	claimed := memory.claimOf(int64(options.ReplayBytes))
	if !memory.await(ctx.Done(), func() bool { return memory.claim(claimed) }) {
		r.err = errNoMemory
		return
	}
	page, err := f.ask(ctx, r)
	r.gap, r.head, r.err = page.Gap, page.Head, err
	if err != nil || page.Gap != "" {
		memory.exchange(claimed, 0)
		return
	}
	w := newWindow(f.hub, r.from, page.Messages)
	r.broken = len(w.messages) < len(page.Messages)
	w.oldest = len(w.messages) < r.newest
	if !memory.exchange(claimed, int64(w.size)) {
		r.err = errNoMemory
		return
	}
	for _, e := range w.messages {
		e.keepers = 1 // counted by the exchange
	}
	r.window = w

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.window != nil {
		f.window.prepend(r.window)
		f.fit()
	}
}

// limit is the replay's, and keeps what would be of use to nobody from being read. Who is
// ahead only asks whether the place is real.
func (r *sharedRead) limit(replay broker.Limit) broker.Limit {
	switch {
	case r.upTo == 0:
		replay.Messages = 1
	case r.upTo > r.from.Offset:
		replay.Least = int(min(r.upTo-r.from.Offset, uint64(replay.Messages)))
	}
	return replay
}

// answer returns what the read says to one client, if it does. To who is at the
// slot where it began it says everything.
func (r *sharedRead) answer(c *catchUp) (missed []*entry, gap *broker.Gap, ok bool) {
	if r.window != nil {
		if missed, gap, ok := c.missedIn(r.window); ok {
			return missed, gap, true
		}
	}
	switch {
	case r.from != c.since:
		return nil, nil, false
	case r.gap == broker.GapFork && c.isAhead() && r.head.Offset > c.head.Offset,
		r.gap == broker.GapTrimmed && c.isAhead() && c.recent > 0,
		r.gap != "" && r.head.Epoch != c.head.Epoch:
		// This instance hasn't been told yet of what the client was told elsewhere, or
		// that its own place is of the past. The client goes on where the broker is.
		return nil, &broker.Gap{Topic: c.feed.topic, Reason: r.gap, Last: c.since, Now: r.head}, true
	case r.gap == broker.GapTrimmed && c.isAhead():
		// This instance's own place, which is older, is trimmed as well: the broker
		// will tell, and the client with all others, which get no last messages then.
		return []*entry{}, nil, true
	case r.gap != "":
		return nil, c.missing(r.gap), true
	case r.broken, r.window.end().Offset >= c.head.Offset, r.head.Epoch == c.head.Epoch && r.head.Offset < c.head.Offset:
		return nil, c.missing(broker.GapFork), true
	default:
		return nil, c.missing(broker.GapTooMany), true
	}
}
