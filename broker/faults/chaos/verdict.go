package main

import (
	"github.com/tidewire/tidewire/broker"
)

// verdict is what became of all messages. A message that five clients follow counts five times in what clients got.
type verdict struct {
	acknowledged int // by the broker
	refused      int
	unknown      int // their publisher knows nothing
	appeared     int // of these, were stored

	delivered int // to clients
	covered   int // missed by clients, and told by a gap
	lost      int // missed by clients, in silence
	vanished  int // acknowledged, and lost by Redis before any client got them
	restored  int // published again, and stored anew since their history was lost
}

// judge compares each client's view with all that is known of its topics, after the end.
func (l *ledger) judge(views []*view) verdict {
	var sum verdict
	forks := map[string]map[slot]bool{}
	for topic, messages := range l.topics {
		forks[topic] = messages.forks()
	}
	for name, p := range l.publications {
		for i, at := range p.places {
			for _, other := range p.places[:i] {
				if p.named && p.retried && apart(at, other, forks[p.topic]) {
					sum.restored++
				} else {
					l.found.add(duplicated, noClient, p.topic, "%v is stored twice, at %s and %s", name, format(other), format(at))
				}
			}
		}
		switch {
		case p.outcome == stored:
			sum.acknowledged++
		case p.outcome == refused:
			sum.refused++
		default:
			sum.unknown++
			sum.appeared += min(1, len(p.places))
		}
	}
	byTopic := map[string][]*view{}
	for _, v := range views {
		byTopic[v.topic] = append(byTopic[v.topic], v)
	}
	for topic, views := range byTopic {
		for at, e := range l.topics[topic] {
			if e.acknowledged && e.heard == 0 {
				sum.vanished++
			}
			for _, v := range views {
				switch v.fate(at, forks[topic]) {
				case fateDelivered:
					sum.delivered++
				case fateCovered:
					sum.covered++
				case fateLost:
					sum.lost++
					v.report(lost, "%v at %s never came, and no gap told of it", e.payload, format(at))
				}
			}
		}
	}
	return sum
}

// slot is a place without its tag: in a fork it holds several messages.
type slot struct {
	epoch  broker.Epoch
	offset uint64
}

// forks gives the slots that hold more than one message.
func (h history) forks() map[slot]bool {
	first := make(map[slot]uint32, len(h))
	forks := map[slot]bool{}
	for at := range h {
		s := slot{at.Epoch, at.Offset}
		if tag, ok := first[s]; ok && tag != at.Tag {
			forks[s] = true
		}
		first[s] = at.Tag
	}
	return forks
}

// apart tells whether two places are of different histories, or on different branches of one: then an ID that was stored
// with one of them says nothing about the other.
func apart(a, b broker.Position, forks map[slot]bool) bool {
	if a.Epoch != b.Epoch {
		return true
	}
	for fork := range forks {
		if fork.epoch == a.Epoch && fork.offset <= max(a.Offset, b.Offset) {
			return true
		}
	}
	return false
}

type fate uint8

const (
	fateDelivered fate = iota
	fateCovered
	fateLost
)

// fate tells what became of a message for the client. All clients are there before the first message.
func (v *view) fate(at broker.Position, forks map[slot]bool) fate {
	covered, known, gaps := false, false, false
	for i, s := range v.spans {
		entered := s.reason != "" // by a gap
		gaps = gaps || entered
		if s.epoch != at.Epoch {
			continue
		}
		known = true
		leaves := i+1 < len(v.spans) && v.spans[i+1].reason != ""
		switch {
		case s.holds(at):
			if !forks[slot{at.Epoch, at.Offset}] {
				return fateDelivered
			}
			if tag, _ := v.ledger.tagBefore(v.topic, s.last(), at.Offset); tag == at.Tag {
				return fateDelivered
			}
			covered = covered || leaves // it was on the other branch
		case at.Offset > s.to:
			covered = covered || leaves
		default:
			covered = covered || entered
		}
	}
	if covered || !known && gaps {
		return fateCovered
	}
	return fateLost
}
