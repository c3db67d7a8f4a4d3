package main

import (
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/session"
)

const (
	firstEpoch broker.Epoch = iota + 1
	secondEpoch
)

// script is what one client is told, step by step, in the only topic.
type script struct {
	ledger *ledger
	view   *view
}

// at is a place of the first epoch, or of another.
func at(offset uint64, epoch ...broker.Epoch) broker.Position {
	p := broker.Position{Epoch: firstEpoch, Offset: offset, Tag: uint32(offset) * 7}
	for _, e := range epoch {
		p.Epoch = e
	}
	return p
}

// otherBranch gives a place in a fork of its history.
func otherBranch(p broker.Position) broker.Position {
	p.Tag++
	return p
}

// number is the payload that was published as the n-th.
func number(n int) payload { return payload{1, int32(n)} }

// publish publishes and acknowledges a message.
func (s *script) publish(n int, place broker.Position) {
	s.ledger.publish(number(n), "a", false)
	s.ledger.acknowledged(number(n), place)
}

// publishAll publishes messages 1 to n at the offsets of the same number.
func (s *script) publishAll(n int) {
	for i := range n {
		s.publish(i+1, at(uint64(i+1)))
	}
}

// get makes the client get messages of the first epoch.
func (s *script) get(numbers ...int) {
	for _, n := range numbers {
		s.view.message(at(uint64(n)), number(n))
	}
}

func TestOracle(t *testing.T) {
	tests := []struct {
		name string
		run  func(s *script)
		want violationKind // "" if all is well
	}{
		{"all is well", func(s *script) {
			s.publishAll(3)
			s.get(1, 2, 3)
		}, ""},
		{"a hole", func(s *script) {
			s.publishAll(3)
			s.get(1, 3)
		}, lost},
		{"a hole at the beginning", func(s *script) {
			s.publishAll(2)
			s.get(2)
		}, lost},
		{"a hole at the end", func(s *script) {
			s.publishAll(3)
			s.get(1, 2)
		}, lost},
		{"a duplicate", func(s *script) {
			s.publishAll(2)
			s.get(1, 2, 2)
		}, duplicated},
		{"a duplicate after a resume", func(s *script) {
			s.publishAll(3)
			s.get(1, 2)
			s.view.resumed(session.FromCursor, at(2))
			s.get(1, 2, 3)
		}, duplicated},
		{"a duplicate behind a gap", func(s *script) {
			s.publishAll(3)
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, nil, at(1))
			s.get(2, 3)
		}, duplicated},
		{"a gap back to a history that has ended", func(s *script) {
			s.publishAll(2)
			s.publish(3, at(1, secondEpoch))
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
			s.view.message(at(1, secondEpoch), number(3))
			s.view.gap(broker.GapEpoch, nil, at(2))
		}, mistold},
		{"a swap", func(s *script) {
			s.publishAll(3)
			s.view.message(at(1), number(2))
			s.view.message(at(2), number(1))
			s.get(3)
		}, broken},
		{"messages in another order", func(s *script) {
			s.publishAll(3)
			s.get(1, 3, 2)
		}, disordered},
		{"a missing gap", func(s *script) {
			s.publishAll(2)
			s.publish(3, at(1, secondEpoch))
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.message(at(1, secondEpoch), number(3))
		}, lost},
		{"a gap", func(s *script) {
			s.publishAll(3)
			s.publish(4, at(1, secondEpoch))
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, &place{firstEpoch.String(), 2}, at(0, secondEpoch))
			s.view.message(at(1, secondEpoch), number(4))
		}, ""},
		{"two gaps", func(s *script) {
			s.publishAll(2)
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
		}, mistold},
		{"two gaps on the way to one place", func(s *script) {
			s.publishAll(2)
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch+1))
		}, mistold},
		{"a gap for no reason", func(s *script) {
			s.publishAll(2)
			s.get(1, 2)
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
		}, mistold},
		{"a gap for the wrong reason", func(s *script) {
			s.publishAll(2)
			s.get(1, 2)
			s.ledger.excuse(cuts)
			s.view.gap(broker.GapTooMany, nil, at(0, secondEpoch))
		}, mistold},
		{"a gap from elsewhere", func(s *script) {
			s.publishAll(3)
			s.get(1, 2)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapEpoch, &place{firstEpoch.String(), 3}, at(0, secondEpoch))
		}, mistold},
		{"a fork", func(s *script) {
			s.publishAll(3)
			s.publish(4, otherBranch(at(3)))
			s.get(1, 2, 3)
			s.ledger.excuse(ends)
			s.view.gap(broker.GapFork, nil, at(2))
			s.view.message(otherBranch(at(3)), number(4))
		}, ""},
		{"a fork that isn't told", func(s *script) {
			s.publishAll(2)
			s.publish(3, otherBranch(at(2)))
			s.ledger.delivered(1, "a", at(1), at(2), number(2))
			s.get(1)
			s.view.message(otherBranch(at(2)), number(3))
		}, lost},
		{"a step from one branch to another", func(s *script) {
			s.publishAll(3)
			s.publish(4, otherBranch(at(2)))
			s.ledger.delivered(1, "a", otherBranch(at(2)), at(3), number(3))
			s.get(1, 2, 3)
		}, lost},
		{"a resume that begins elsewhere", func(s *script) {
			s.publishAll(3)
			s.get(1)
			s.view.resumed(session.FromNow, at(2))
			s.get(3)
		}, lost},
		{"an unknown publish that appears", func(s *script) {
			s.ledger.publish(number(1), "a", false)
			s.get(1)
		}, ""},
		{"an unknown publish that doesn't", func(s *script) {
			s.ledger.publish(number(1), "a", false)
		}, ""},
		{"a message stored twice", func(s *script) {
			s.ledger.publish(number(1), "a", false)
			s.view.message(at(1), number(1))
			s.view.message(at(2), number(1))
		}, duplicated},
		{"a retry stored twice", func(s *script) {
			s.ledger.publish(number(1), "a", true)
			s.ledger.publish(number(1), "a", true)
			s.view.message(at(1), number(1))
			s.view.message(at(2), number(1))
		}, duplicated},
		{"a retry after its history was lost", func(s *script) {
			s.ledger.publish(number(1), "a", true)
			s.get(1)
			s.ledger.excuse(ends)
			s.ledger.publish(number(1), "a", true)
			s.ledger.acknowledged(number(1), at(1, secondEpoch))
			s.view.gap(broker.GapEpoch, nil, at(0, secondEpoch))
			s.view.message(at(1, secondEpoch), number(1))
		}, ""},
		{"a retry on another branch", func(s *script) {
			s.publishAll(1)
			s.publish(2, at(2))
			s.ledger.publish(number(3), "a", true)
			s.get(1, 2, 3)
			s.ledger.excuse(ends)
			s.ledger.publish(number(3), "a", true)
			s.ledger.acknowledged(number(3), otherBranch(at(2)))
			s.view.gap(broker.GapFork, nil, at(1))
			s.view.message(otherBranch(at(2)), number(3))
		}, ""},
		{"a message that nobody published", func(s *script) {
			s.get(1)
		}, broken},
		{"a refused message", func(s *script) {
			s.ledger.publish(number(1), "a", false)
			s.ledger.refused(number(1))
			s.get(1)
		}, broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := &violations{}
			l := newLedger(found, []string{"a"})
			s := &script{ledger: l, view: &view{ledger: l, topic: "a"}}
			s.view.start(at(0))
			test.run(s)
			l.judge([]*view{s.view})
			all := found.list()
			switch {
			case test.want == "" && len(all) > 0:
				t.Errorf("found %+v", all)
			case test.want != "" && found.count(test.want) == 0:
				t.Errorf("found %+v, want %s", all, test.want)
			}
		})
	}
}
