package brokertest

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// lossTests lose messages on their way to an instance, which must then read them
// from the history or break the chain, even if nothing more is sent.
var lossTests = []test{
	{"LossIsRepairedOrReported", testLoss},
	{"LossThenSilenceIsRepairedOrReported", testLossThenSilence},
	{"LossBeyondHistoryIsReported", testLossBeyondHistory},
}

// cutTests do the same to connections.
var cutTests = []test{
	{"CutInstanceCatchesUp", testCut},
	{"CutThenSilenceIsRepairedOrReported", testCutThenSilence},
	{"SubscribingOnACutInstanceHasNoSeam", testSubscribeOnCut},
}

// pair is two instances with a subscriber each, which has received one message.
type pair struct {
	*backend
	victim, other       push.Broker
	follower, bystander *collector
	at, otherAt         broker.Position
}

func (s setup) pair(t testing.TB, o Options) *pair {
	t.Helper()
	b, brokers := s.several(t, o)
	p := &pair{backend: b, victim: brokers[0], other: brokers[1]}
	p.follower, p.at = subscribe(t, p.victim, "a")
	p.bystander, p.otherAt = subscribe(t, p.other, "a")
	publish(t, p.other, text("a", "first"))
	p.follower.next(&p.at)
	p.bystander.next(&p.otherAt)
	return p
}

// testLoss loses one message, several, and every other one. The next message shows
// each loss.
func testLoss(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	for _, lost := range []int{1, 5, 1, 1, 1} {
		p.Lose(t, p.victim, lost)
		for i := range lost {
			publish(t, p.other, text("a", fmt.Sprint("lost ", i)))
		}
		head := publish(t, p.other, text("a", "heard")).Position
		p.follower.reach(&p.at, head)
		for p.otherAt != head {
			p.bystander.next(&p.otherAt)
		}
	}
}

func testLossThenSilence(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	for _, lost := range []int{1, 5} {
		p.Lose(t, p.victim, lost)
		var head broker.Position
		for i := range lost {
			head = publish(t, p.other, text("a", fmt.Sprint("lost ", i))).Position
		}
		p.follower.reach(&p.at, head)
		for p.otherAt != head {
			p.bystander.next(&p.otherAt)
		}
	}
}

// testLossBeyondHistory loses more than the history keeps, so that it can't be read
// again.
func testLossBeyondHistory(t testing.TB, s setup) {
	p := s.pair(t, Options{History: broker.History{Messages: 4}})
	for range 3 {
		p.Lose(t, p.victim, 20)
		for i := range 20 {
			publish(t, p.other, text("a", fmt.Sprint("lost ", i)))
		}
		p.follower.reach(&p.at, publish(t, p.other, text("a", "heard")).Position)
	}
}

// testCut breaks connections again and again while messages are sent.
func testCut(t testing.TB, s setup) {
	const messages, every = 300, 50
	p := s.pair(t, Options{})
	var head broker.Position
	for i := range messages {
		if i%every == every/2 {
			p.Cut(t, p.victim)
		}
		head = awaitPublish(t, p.other, "a", fmt.Sprint("id", i)).Position
	}
	p.follower.reach(&p.at, head)
	p.bystander.reach(&p.otherAt, head)
	if page := awaitSince(t, p.victim, "a", broker.Position{Epoch: head.Epoch}); page.Head != head || len(page.Messages) != messages+1 {
		t.Errorf("the history has %d messages up to %+v, want %d up to %+v", len(page.Messages), page.Head, messages+1, head)
	}
}

func testCutThenSilence(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	for i := range 3 {
		p.Cut(t, p.victim)
		head := awaitPublish(t, p.other, "a", fmt.Sprint("id", i)).Position
		p.follower.reach(&p.at, head)
		p.bystander.reach(&p.otherAt, head)
	}
}

func testSubscribeOnCut(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	p.Cut(t, p.victim)
	late := newCollector(t)
	var at broker.Position
	testaid.Eventually(t, "subscribing", func() bool {
		var err error
		at, err = p.victim.Subscribe(t.Context(), "a", late)
		return err == nil
	})
	head := awaitPublish(t, p.other, "a", "id").Position
	late.reach(&at, head)
	p.follower.reach(&p.at, head)
}
