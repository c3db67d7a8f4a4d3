package session

import (
	"context"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// A client that asks for the last messages of a topic gets them by the replay that a
// client with a cursor gets: it begins at the place before the first of them. So all that
// there is to do is to find that place. The window has it, unless nobody has asked for so
// many messages lately: then they are read for all that ask meanwhile, and the window
// begins with them.

// recent returns the place before the last n messages of the topic, or before as many as
// there are and Options.ReplayBytes allows.
func (f *feed) recent(ctx context.Context, n int) (broker.Position, error) {
	if place, ok := f.rememberedRecent(n); ok {
		return place, nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.hub.options.BrokerTimeout)
	defer cancel()
	r, err := f.readNewest(ctx, n, false)
	if err != nil {
		return broker.Position{}, push.NewError(push.CodeUnavailable, "history can't be read now", err)
	}
	defer r.leave()
	place, _ := r.window.back(r.window.end(), n)
	return place, nil
}

// rememberedRecent is recent if it takes no read.
func (f *feed) rememberedRecent(n int) (broker.Position, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.head.Offset == 0:
		return f.head, true
	case f.window == nil:
		return broker.Position{}, false
	default:
		return f.window.back(f.head, n)
	}
}

// readNewest waits for a read of the last n messages, with all that ask before it begins. A
// fresh one asks the broker, which is known to have more than the window. Without an error the
// caller has to leave the read.
func (f *feed) readNewest(ctx context.Context, n int, fresh bool) (*sharedRead, error) {
	r := f.join(readKey{newest: true}, func(r *sharedRead) { r.newest, r.fresh = max(r.newest, n), r.fresh || fresh })
	err := r.wait(ctx)
	if err != nil {
		r.leave()
	}
	return r, err
}

// isWithin reports whether a feed's window has what is to be read. A read of the newest
// messages then knows where it begins.
func (r *sharedRead) isWithin(w *window) bool {
	if r.fresh {
		return false
	}
	if r.newest == 0 {
		return w.contains(r.from)
	}
	place, ok := w.back(w.end(), r.newest)
	r.from = place
	return ok
}

// ask asks the broker.
func (f *feed) ask(ctx context.Context, r *sharedRead) (push.Page, error) {
	if r.newest == 0 {
		return f.hub.broker.Since(ctx, f.topic, r.from, r.limit(f.hub.replay))
	}
	page, err := f.hub.broker.Recent(ctx, f.topic, broker.Limit{Messages: r.newest, Bytes: f.hub.replay.Bytes})
	r.from = page.Head
	if len(page.Messages) > 0 {
		r.from = before(page.Messages[0])
	}
	return page, err
}

// before is the place before a message.
func before(m *push.Message) broker.Position {
	return broker.Position{Epoch: m.Epoch, Offset: m.Offset - 1, Tag: m.PreviousTag}
}

// locate says where a client begins that is attached now: at the head, at its own place,
// or before the last messages of this moment. Called with f.mu held.
func (f *feed) locate(c *catchUp) {
	c.head = f.head
	if c.from == FromRecent {
		if f.window != nil {
			if place, ok := f.window.back(f.head, c.recent); ok {
				c.since = place
			}
		}
		if c.isAhead() && c.since.Epoch == f.head.Epoch {
			c.since = f.head // what this instance hasn't received yet is more than was asked for
		}
	}
	c.outdated = f.outdates(c)
}

// newest reads the messages of a client that begins in an epoch which this instance hasn't
// heard of yet, kept: then the client goes on where the broker is. There are none if the
// broker has left that epoch.
func (f *feed) newest(ctx context.Context, c *catchUp) ([]*entry, error) {
	r, err := f.readNewest(ctx, c.recent, false)
	if err != nil {
		return nil, err
	}
	defer r.leave()
	if !r.window.contains(c.since) {
		return nil, nil
	}
	return keepAll(r.window.between(c.since, r.window.end())), nil
}

// lastBefore finds the last messages that come after a gap, kept, and has the gap end
// before the first of them. There are none if the broker has no others than those that
// follow the gap. There is no gap if all that the client has missed is among them.
func (f *feed) lastBefore(ctx context.Context, c *catchUp, gap broker.Gap) ([]*entry, *broker.Gap, error) {
	head := c.goesOn()
	if head.Offset == 0 && gap.Now == head {
		return nil, &gap, nil
	}
	if missed, left, ok := f.rememberedBefore(c, gap); ok {
		return missed, left, nil
	}
	r, err := f.readNewest(ctx, c.recent, gap.Now != head)
	if err != nil {
		return nil, nil, err
	}
	defer r.leave()
	w, end := r.window, head
	switch {
	case gap.Now.Epoch == head.Epoch && w.contains(head):
	case w.end().Epoch != head.Epoch, gap.Now != head && w.end().Offset > head.Offset:
		// This instance hasn't heard yet where the broker is. The client goes on there.
		end = w.end()
	default:
		return nil, &gap, nil
	}
	start, _ := w.back(end, c.recent)
	missed, left := c.lastIn(w, start, end, gap)
	return missed, left, nil
}

// rememberedBefore is lastBefore if it takes no read.
func (f *feed) rememberedBefore(c *catchUp, gap broker.Gap) (missed []*entry, left *broker.Gap, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := c.goesOn()
	if gap.Now != head || f.window == nil || !f.window.contains(head) {
		return nil, nil, false
	}
	start, ok := f.window.back(head, c.recent)
	if !ok {
		return nil, nil, false
	}
	missed, left = c.lastIn(f.window, start, head, gap)
	return missed, left, true
}

// lastIn returns the messages from one place in a window to another, kept, and what is left of
// the gap before them. A client whose place is among them gets what follows that, and no
// gap: it is led back only out of another history.
func (c *catchUp) lastIn(w *window, start, end broker.Position, gap broker.Gap) (missed []*entry, left *broker.Gap) {
	last := gap.Last
	isReal := !c.outdated && (gap.Reason == broker.GapTrimmed || gap.Reason == broker.GapTooMany)
	if isReal && w.contains(last) && last.Offset >= start.Offset && last.Offset <= end.Offset {
		return keepAll(w.between(last, end)), nil
	}
	if gap.Now = start; start.Epoch != last.Epoch {
		gap = gap.After(last)
	}
	return keepAll(w.between(start, end)), &gap
}
