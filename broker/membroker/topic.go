package membroker

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// topic is one topic's history and receivers.
type topic struct {
	name string
	rule *push.TopicRule // static

	mu        sync.Mutex // guards the rest; held while receivers are called, which keeps their order
	head      broker.Position
	messages  []*push.Message // oldest first, contiguous, the last is at head
	size      int             // of messages
	receivers []push.Receiver
	named     *namedMessages // nil if there are none
	state     *state         // nil unless it is a state that has or had keys
	idle      int32          // sweeps since it was used
	forgotten bool
}

// publish does what m says: it adds a message to a log, or changes a state.
func (t *topic) publish(m push.Message, o *Options) (push.Receipt, error) {
	now := time.Now()
	t.idle = 0
	if m.Op != broker.OpPublish {
		t.expire(now, m.Key)
	}
	if first, err := t.repeated(&m, now, o); err != nil || first.ID != "" {
		return first, err
	}
	if t.head.Offset == broker.MaxOffset {
		return push.Receipt{}, push.NewError(push.CodeUnavailable, "the topic has no offset left", nil)
	}
	if m.Op != broker.OpPublish {
		return t.change(m, now)
	}
	return t.add(m, now), nil
}

// repeated returns the receipt of the message that m repeats, or the zero Receipt.
func (t *topic) repeated(m *push.Message, now time.Time, o *Options) (push.Receipt, error) {
	if !m.Named {
		return push.Receipt{}, nil
	}
	t.forgetNames(now, o)
	return t.named.find(m)
}

// remember remembers a message that has a name, or a change that added none.
func (t *topic) remember(m *push.Message) {
	if !m.Named {
		return
	}
	if t.named == nil {
		t.named = &namedMessages{byID: map[string]namedMessage{}}
	}
	t.named.add(m)
}

// add gives m the next place and hands it on.
func (t *topic) add(m push.Message, now time.Time) push.Receipt {
	m.Topic = t.name // so that history holds the name once
	m.Data = bytes.Clone(m.Data)
	m.Header = maps.Clone(m.Header)
	m.Time, m.TellTime = now, t.rule.Time
	m.PreviousTag = t.head.Tag
	m.Position = broker.Position{Epoch: t.head.Epoch, Offset: t.head.Offset + 1, Tag: rand.Uint32()}
	t.head = m.Position
	t.messages = append(t.messages, &m)
	t.size += m.Size()
	t.trim(now)
	t.remember(&m)
	if m.Op != broker.OpPublish {
		t.state.keys.Apply(&m)
	}
	for _, r := range t.receivers {
		r.Receive(&m)
	}
	return push.Receipt{ID: m.ID, Position: m.Position}
}

// use notes that the topic is read, and drops what must not be read any more.
func (t *topic) use(now time.Time) {
	t.idle = 0
	t.trim(now)
}

// trim drops the messages that are over a bound of history. The newest stays if
// only its size is over.
func (t *topic) trim(now time.Time) {
	history := &t.rule.History
	n := 0
	oldest := now.Add(-history.Age)
	for n < len(t.messages) {
		left := len(t.messages) - n
		over := left > history.Messages || t.size > history.Bytes && left > 1
		if !over && t.messages[n].Time.After(oldest) {
			break
		}
		t.size -= t.messages[n].Size()
		n++
	}
	t.messages = dropFirst(t.messages, n)
}

// forgetNames drops the names of messages that are too old or too many.
func (t *topic) forgetNames(now time.Time, o *Options) {
	if t.named != nil && t.named.forget(now.Add(-o.Retry)) {
		t.named = nil // a map keeps the size that it once had
	}
}

// dropFirst drops the first n elements and lets go of what they held.
func dropFirst[T any](list []T, n int) []T {
	clear(list[:n])
	if n == len(list) {
		return nil
	}
	return list[n:]
}

// since reads the messages after a position.
func (t *topic) since(after broker.Position, limit broker.Limit) push.Page {
	page := push.Page{Head: t.head}
	first := t.head.Offset - uint64(len(t.messages)) // the offset before the oldest message
	switch {
	case after.Epoch != t.head.Epoch:
		page.Gap = broker.GapEpoch
	case after.Offset > t.head.Offset:
		page.Gap = broker.GapFork
	case after.Offset < first:
		page.Gap = broker.GapTrimmed
	case after.Tag != t.tagAt(after.Offset, first):
		page.Gap = broker.GapFork
	default:
		page.Messages = cut(t.messages[after.Offset-first:], limit)
	}
	return page
}

// tagAt is the tag of the position at offset, which is first or later.
func (t *topic) tagAt(offset, first uint64) uint32 {
	switch {
	case offset == t.head.Offset:
		return t.head.Tag
	case offset == first:
		return t.messages[0].PreviousTag
	default:
		return t.messages[offset-first-1].Tag
	}
}

// cut gives a copy of as many messages as limit allows: at least one, or at least as many
// as it asks for, or none.
func cut(messages []*push.Message, limit broker.Limit) []*push.Message {
	n, size := 0, 0
	for n < len(messages) && (n == 0 || limit.Messages <= 0 || n < limit.Messages) {
		size += messages[n].Size()
		if limit.Bytes > 0 && size > limit.Bytes {
			if n < limit.Least {
				return nil
			}
			if n > 0 {
				break
			}
		}
		n++
	}
	return slices.Clone(messages[:n])
}

// recent reads as many of the newest messages as limit allows.
func (t *topic) recent(limit broker.Limit) push.Page {
	first, size := len(t.messages), 0
	for first > 0 && len(t.messages)-first < limit.Messages {
		size += t.messages[first-1].Size()
		if limit.Bytes > 0 && size > limit.Bytes {
			break
		}
		first--
	}
	return push.Page{Head: t.head, Messages: slices.Clone(t.messages[first:])}
}

// remove ends the subscription of r.
func (t *topic) remove(r push.Receiver) {
	t.idle = 0
	if i := slices.Index(t.receivers, r); i >= 0 {
		t.receivers = slices.Delete(t.receivers, i, i+1)
	}
}

// sweep lets go of what is too old. It reports whether the topic is forgotten:
// then nobody may use it any more.
func (t *topic) sweep(now time.Time, o *Options) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.forgotten {
		return false // whoever forgot it sees to the rest
	}
	t.trim(now)
	t.forgetNames(now, o)
	t.idle++
	t.forgotten = len(t.receivers) == 0 && len(t.messages) == 0 && t.state.isEmpty() && time.Duration(t.idle)*sweepInterval > o.Keep
	return t.forgotten
}
