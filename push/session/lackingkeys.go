package session

import (
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// lackingKey is a key of a state topic that a client, or a group of clients, is to be told
// of. What it is told is looked up in the mirror when it is sent.
type lackingKey struct {
	key string
	// whole says that the whole value lacks, or that the key is gone. Otherwise the client
	// has the value that the key had before the append at offset from, or a later one: that
	// had start UTF-16 units.
	whole bool
	start int
	from  uint64
}

// lackedBy is what a client lacks that hasn't got a message.
func lackedBy(m *push.Message) lackingKey {
	if m.Op == broker.OpAppend && m.Start > 0 {
		return lackingKey{key: m.Key, start: m.Start, from: m.Offset}
	}
	return lackingKey{key: m.Key, whole: true}
}

// lackingKeys are keys in the order in which they have begun to lack, each once: a key that
// changes again keeps its place, so that none waits for ever. The zero value has none.
type lackingKeys struct {
	queue []lackingKey
	at    map[string]int // where each is in queue, plus taken
	taken int            // how many have left the queue
}

func (l *lackingKeys) len() int { return len(l.queue) }

func (l *lackingKeys) add(k lackingKey) {
	if i, ok := l.at[k.key]; ok {
		there := &l.queue[i-l.taken]
		there.whole = there.whole || k.whole
		if k.from < there.from {
			there.start, there.from = k.start, k.from
		}
		return
	}
	if l.at == nil {
		l.at = map[string]int{}
	}
	l.at[k.key] = l.taken + len(l.queue)
	l.queue = append(l.queue, k)
}

// next takes out the first, which there must be.
func (l *lackingKeys) next() lackingKey {
	k := l.queue[0]
	l.queue = l.queue[1:]
	l.taken++
	delete(l.at, k.key)
	if len(l.queue) == 0 {
		*l = lackingKeys{}
	}
	return k
}

// all takes out all.
func (l *lackingKeys) all() []lackingKey {
	all := l.queue
	*l = lackingKeys{}
	return all
}
