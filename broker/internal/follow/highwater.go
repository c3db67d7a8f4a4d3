package follow

import (
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// HighWater is the highest position of a topic that an instance has seen stored, and the
// epoch before it, which has ended. A store that lacks the position, or is in the ended
// epoch again, has gone back in time. The zero value says nothing.
type HighWater struct {
	broker.Position
	Ended broker.Epoch // zero if none is known
}

// maxUnfollowed is how many topics that nobody on this instance follows a broker keeps
// high-water marks of.
const maxUnfollowed = 10_000

// highWaterMarks are this instance's, by topic.
//
// A mark expires. If the store hasn't used a topic for as long as it keeps heads, the
// topic may have begun again, perhaps in the same epoch, and the mark proves nothing.
type highWaterMarks struct {
	life time.Duration // static; less than the time that heads are kept

	mu            sync.Mutex // guards the rest
	followed      map[string]timedMark
	newest, older map[string]timedMark // the others, in two generations, so that old topics go
}

// timedMark is a high-water mark and when it was last confirmed.
type timedMark struct {
	HighWater
	confirmed time.Time
}

// of returns the mark of a topic; zero if there is none.
func (w *highWaterMarks) of(topic string) HighWater {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.valid(topic)
}

// contradict reports whether another message is known to have been stored at this offset:
// then p is of another branch, from a store that has gone back in time.
func (w *highWaterMarks) contradict(topic string, p broker.Position) bool {
	mark := w.of(topic)
	return mark.Epoch == p.Epoch && mark.Offset == p.Offset && mark.Tag != p.Tag
}

// valid is of with w.mu held.
func (w *highWaterMarks) valid(topic string) HighWater {
	for _, marks := range []map[string]timedMark{w.followed, w.newest, w.older} {
		if mark, ok := marks[topic]; ok {
			if time.Since(mark.confirmed) > w.life {
				return HighWater{}
			}
			return mark.HighWater
		}
	}
	return HighWater{}
}

// note remembers that a position was stored. Carried is the mark of the call that found
// it: a call that began before the epoch changed knows nothing of the new one.
func (w *highWaterMarks) note(topic string, p, carried broker.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mark := w.valid(topic)
	switch {
	case p == mark.Position:
		w.set(topic, mark)
		return
	case p.Epoch != mark.Epoch && carried.Epoch != mark.Epoch && !mark.IsZero(),
		p.Epoch == mark.Epoch && p.Offset <= mark.Offset:
		return
	}
	next := HighWater{p, mark.Ended}
	if p.Epoch != mark.Epoch {
		next.Ended = mark.Epoch
	}
	w.set(topic, next)
}

func (w *highWaterMarks) set(topic string, to HighWater) {
	mark := timedMark{to, time.Now()}
	if _, ok := w.followed[topic]; ok {
		w.followed[topic] = mark
		return
	}
	w.keep(topic, mark)
}

// keep remembers the mark of a topic that isn't followed.
func (w *highWaterMarks) keep(topic string, mark timedMark) {
	if _, ok := w.newest[topic]; !ok && len(w.newest) >= maxUnfollowed/2 {
		w.older, w.newest = w.newest, nil
	}
	if w.newest == nil {
		w.newest = map[string]timedMark{}
	}
	w.newest[topic] = mark
}

// follow keeps the mark of a topic for as long as it is followed.
func (w *highWaterMarks) follow(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mark, ok := w.newest[topic]
	if !ok {
		mark = w.older[topic]
	}
	if w.followed == nil {
		w.followed = map[string]timedMark{}
	}
	w.followed[topic] = mark
}

func (w *highWaterMarks) unfollow(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mark := w.followed[topic]
	delete(w.followed, topic)
	if !mark.IsZero() {
		w.keep(topic, mark)
	}
}

// count returns how many marks are kept.
func (w *highWaterMarks) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.followed) + len(w.newest) + len(w.older)
}
