package session

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// A feed of a state topic follows the topic's history as any feed does, and has a mirror of
// the map besides. What it tells is which keys have changed; see stateGroup.

const (
	minLoadBackoff = 20 * time.Millisecond
	maxLoadBackoff = time.Second
)

// loadMirror reads the map from the broker until that is good for the place where the feed
// is, and what has come meanwhile is in it.
func (f *feed) loadMirror(ctx context.Context) error {
	for backoff := minLoadBackoff; ; backoff = min(2*backoff, maxLoadBackoff) {
		f.mu.Lock()
		f.mirror.overflowed = false
		f.mu.Unlock()
		page, err := f.hub.states.State(ctx, f.topic)
		if err == nil {
			var loaded bool
			if loaded, err = f.fillMirror(page); loaded {
				return nil
			}
		}
		if err != nil && push.AsError(err).Code.Final() {
			return err
		}
		select {
		case <-time.After(backoff):
		case <-f.mirror.closed:
			return push.CodeUnavailable
		case <-ctx.Done():
			if err == nil {
				err = errBehind
			}
			return err
		}
	}
}

// fillMirror takes what was read, if it is good for the place where the feed is.
func (f *feed) fillMirror(page push.Page) (loaded bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mr, before := f.mirror, f.mirror.size
	if mr.overflowed || f.closed {
		return false, nil
	}
	mr.load(page)
	loaded = mr.catchUp(f.chainEnd())
	if !f.hub.countMirror(mr.size - before) {
		mr.load(push.Page{})
		f.hub.uncountMirror(before)
		return false, errMirrors
	}
	if loaded {
		mr.forget()
		mr.loading = false
		mr.moved()
		if f.ready {
			f.restartAll()
		}
	}
	return loaded, nil
}

// restartAll sends every client the whole map again. Called with f.mu held.
func (f *feed) restartAll() {
	f.hub.stats.resets.Add(1)
	f.mirror.restarts++
	now := f.deliversNow()
	for _, g := range f.groups {
		for _, p := range g.parts {
			p.state.restart(f.mirror, f.head, now)
		}
	}
}

// errBehind is what a client gets that can't be told of a state in time.
var errBehind = push.NewError(push.CodeUnavailable, "this instance doesn't have the topic's state yet", nil)

var errMirrors = &push.Error{
	Code: push.CodeLimitReached, Reason: "too many states are followed here",
	Hint: "Limits.Memory bounds the states of all topics that are followed on an instance",
}

// chainEnd is where the feed is, also while it is being opened. Called with f.mu held.
func (f *feed) chainEnd() broker.Position {
	if !f.ready && !f.early.IsZero() {
		return f.early
	}
	return f.head
}

// receiveChange tells the groups of a message that continues the chain. Called with f.mu
// held.
func (f *feed) receiveChange(m *push.Message) {
	mr := f.mirror
	if mr.loading {
		mr.keep(m)
		return
	}
	before := mr.size
	mr.apply(m)
	f.hub.memory.count(int64(mr.size - before))
	f.hub.mirrors.Add(int64(mr.size - before))
	mr.moved()
	lacking := lackedBy(m)
	now := f.deliversNow()
	for _, g := range f.groups {
		for _, p := range g.parts {
			p.state.add(lacking, f.head, now)
		}
	}
}

// lackingOf returns the keys that messages from history have changed.
func (f *feed) lackingOf(missed []*entry) []lackingKey {
	var keys lackingKeys
	last := map[string]uint64{}
	for _, e := range missed {
		keys.add(lackedBy(e.message))
		last[e.message.Key] = e.message.Offset
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := keys.all()
	for _, k := range all {
		f.mirror.appended(k, last[k.key])
	}
	return all
}

// brokenState begins to read the map again, after the broker has broken the chain. Called
// with f.mu held.
func (f *feed) brokenState(reason broker.GapReason) {
	f.mirror.forget()
	f.mirror.moved()
	f.mirror.broke = reason
	if !f.mirror.loading {
		f.mirror.loading = true
		f.hub.work.Go(f.reloadMirror)
	}
}

// reloadMirror reads the map again, for as long as it takes.
func (f *feed) reloadMirror() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), f.hub.options.BrokerTimeout)
		err := f.loadMirror(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-f.mirror.closed:
			return
		case <-time.After(maxLoadBackoff):
			f.hub.warnings.log("push: a state can't be read", "topic", f.topic, "error", shortened(err))
		}
	}
}

// stateGroup returns the group of a session that follows the topic. Called with f.mu held.
func (f *feed) stateGroup(s *Session) *stateGroup {
	return f.group(s.format).part(s.shard).state
}

// moved wakes those that wait for the feed. Called with f.mu held.
func (mr *mirror) moved() {
	if mr.arrived != nil {
		close(mr.arrived)
		mr.arrived = nil
	}
}

// closeMirror lets go of the mirror. Called with f.mu held.
func (f *feed) closeMirror() {
	if f.mirror == nil {
		return
	}
	f.hub.uncountMirror(f.mirror.size)
	f.mirror.load(push.Page{})
	f.mirror.forget()
	close(f.mirror.closed)
}

// reach waits until this instance has what the broker has at the time of the call, so that
// nobody who comes from another instance is shown what was before.
func (f *feed) reach(ctx context.Context) error {
	if _, ok := f.hub.broker.(broker.NonBlocking); ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.hub.options.BrokerTimeout)
	defer cancel()
	came := time.Now()
	head, err := f.readHead(ctx)
	if err != nil {
		return push.NewError(push.CodeUnavailable, "the topic can't be read now", err)
	}
	for {
		moved := f.awaits(head, came)
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return errBehind
		}
	}
}

// awaits returns what is closed when the feed moves on, or nil if it has come to a place: a
// chain that began only after the place was read goes past it.
func (f *feed) awaits(place broker.Position, read time.Time) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.mirror.loading && (f.head.Reaches(place) || f.head.Epoch != place.Epoch && f.since.After(read)) {
		return nil
	}
	if f.mirror.arrived == nil {
		f.mirror.arrived = make(chan struct{})
	}
	return f.mirror.arrived
}

// readHead asks the broker where the topic is, together with all that ask before the read
// begins.
func (f *feed) readHead(ctx context.Context) (broker.Position, error) {
	r := f.join(readKey{head: true}, func(r *sharedRead) { r.headOnly = true })
	defer r.leave()
	if err := r.wait(ctx); err != nil {
		return broker.Position{}, err // which may come before the read has ended
	}
	return r.head, nil
}

func (f *feed) fetchHead(r *sharedRead) {
	ctx, cancel := context.WithTimeout(context.Background(), f.hub.options.BrokerTimeout)
	defer cancel()
	page, err := f.hub.broker.Recent(ctx, f.topic, broker.Limit{})
	r.head, r.err = page.Head, err
}

// countMirror counts what a mirror has grown by, if there is room.
func (h *Host) countMirror(n int) bool {
	if h.mirrors.Load()+int64(n) > h.memory.part(maxMirrors) || n > 0 && !h.memory.take(int64(n), h.memory.high) {
		return false
	}
	if n < 0 {
		h.memory.give(int64(-n))
	}
	h.mirrors.Add(int64(n))
	return true
}

func (h *Host) uncountMirror(n int) {
	h.mirrors.Add(int64(-n))
	h.memory.give(int64(n))
}
