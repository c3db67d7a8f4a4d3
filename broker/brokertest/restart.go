package brokertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// restartTests restart a backend with its data, which then goes on where it was.
var restartTests = []test{
	{"RestartWithDataLosesNothing", testRestart},
	{"RestartKeepsAllParts", testRestartParts},
}

// eraseTests make a backend lose its data. Topics then have new epochs, and
// subscribers learn of it.
var eraseTests = []test{
	{"LostDataIsReported", testErase},
	{"LostDataIsReportedWithoutTraffic", testEraseWithoutTraffic},
}

func testRestart(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	start := broker.Position{Epoch: p.at.Epoch}
	m := push.Message{Topic: "a", ID: "once", Data: []byte("once")}
	first := publish(t, p.victim, m)
	for round := range 2 {
		p.Restart(t)
		if again := awaitPublish(t, p.other, "a", "once"); !again.Duplicate || again.Position != first.Position {
			t.Errorf("first %+v, after the restart %+v", first, again)
		}
		head := awaitPublish(t, p.victim, "a", fmt.Sprint("after", round)).Position
		for p.at != head {
			p.follower.next(&p.at) // and no gap
		}
		for p.otherAt != head {
			p.bystander.next(&p.otherAt)
		}
		for i, b := range []push.Broker{p.victim, p.other} {
			page := awaitSince(t, b, "a", start)
			if page.Gap != "" || page.Head != head || uint64(len(page.Messages)) != head.Offset {
				t.Errorf("by instance %d the history has %d messages up to %+v, gap %q; want %d", i, len(page.Messages), page.Head, page.Gap, head.Offset)
			}
		}
	}
}

func testErase(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	quiet, quietAt := subscribe(t, p.victim, "quiet")
	positions := []broker.Position{{Epoch: p.at.Epoch}, p.at}
	for i := range 5 {
		positions = append(positions, publish(t, p.other, text("a", fmt.Sprint(i))).Position)
	}
	old := positions[len(positions)-1]
	p.follower.reach(&p.at, old)
	p.bystander.reach(&p.otherAt, old)
	for range 2 {
		p.Erase(t)
		first := awaitPublish(t, p.other, "a", "after")
		if first.Duplicate || first.Position.Epoch == old.Epoch {
			t.Errorf("%+v comes after %+v, which is lost", first, old)
		}
		head := awaitPublish(t, p.victim, "a", "last").Position
		p.wantReported(t, head)
		for i, b := range []push.Broker{p.victim, p.other} {
			for _, position := range positions {
				page := awaitSince(t, b, "a", position)
				if page.Gap != broker.GapEpoch && page.Gap != broker.GapFork || len(page.Messages) != 0 {
					t.Errorf("instance %d after %+v, which is lost: gap %q, %d messages", i, position, page.Gap, len(page.Messages))
				}
			}
		}
		quiet.reach(&quietAt, awaitPublish(t, p.other, "quiet", "message").Position)
		positions, old = []broker.Position{first.Position, head}, head
	}
}

func testEraseWithoutTraffic(t testing.TB, s setup) {
	p := s.pair(t, Options{})
	p.Erase(t)
	for i, c := range []*collector{p.follower, p.bystander} {
		at := p.at
		if e := c.event(&at); e.message != nil {
			t.Errorf("follower %d got %+v, want a gap", i, e.message)
		}
	}
}

// wantReported waits until both subscribers are at the head, and fails unless the
// chain of each was broken.
func (p *pair) wantReported(t testing.TB, head broker.Position) {
	t.Helper()
	gaps, others := p.follower.reach(&p.at, head), p.bystander.reach(&p.otherAt, head)
	if len(gaps) == 0 || len(others) == 0 {
		t.Errorf("gaps %+v and %+v; all that was there is lost", gaps, others)
	}
	for _, gaps := range [][]broker.Gap{gaps, others} {
		lost := func(g broker.Gap) bool { return g.Reason == broker.GapEpoch || g.Reason == broker.GapFork }
		if !slices.ContainsFunc(gaps, lost) {
			t.Errorf("no gap of %+v says that history was lost", gaps)
		}
	}
}
