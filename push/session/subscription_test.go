package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// wordFormat writes frames as words.
type wordFormat struct{}

func (wordFormat) Message(m *push.Message) *Frame {
	return &Frame{Bytes: fmt.Append(nil, m.Offset), Topic: m.Topic, Cursor: cursor.Format(m.Topic, m.Position)}
}

func (wordFormat) Gap(g broker.Gap) *Frame {
	return &Frame{Bytes: fmt.Appendf(nil, "gap %s %d-%d", g.Reason, g.Last.Offset, g.Now.Offset)}
}

func (wordFormat) Reconnect(int) *Frame { return &Frame{Bytes: []byte("reconnect")} }

func words(frames []*Frame) string {
	got := make([]string, len(frames))
	for i, f := range frames {
		got[i] = string(f.Bytes)
	}
	return fmt.Sprint(got)
}

// following is a subscription whose session writes nothing: what it would is in its queue.
func following(state subscriptionState, c *catchUp) *subscription {
	h := roomyHub()
	h.queue = broker.Limit{Messages: 100, Bytes: 1 << 20}
	s := &Session{hub: h, conn: silentConn{}, format: wordFormat{}, writing: true}
	f := &feed{hub: h, topic: "a"}
	if c != nil {
		c.feed = f
	}
	sub := &subscription{session: s, feed: f, state: state, catchUp: c}
	s.subscriptions = []*subscription{sub}
	return sub
}

// TestTell: what a feed tells is queued, kept back or passed over, by the state of the
// subscription; and all that is queued or kept counts as what waits for the client.
func TestTell(t *testing.T) {
	gap := broker.Gap{Topic: "a", Reason: broker.GapFork, Last: at(3), Now: at(9)}
	message := func(n uint64) *delivery {
		return &delivery{frame: wordFormat{}.Message(&push.Message{Topic: "a", Position: at(n)})}
	}
	aside := &delivery{frame: &Frame{Bytes: []byte("aside")}, aside: true}
	broken := &delivery{frame: wordFormat{}.Gap(gap), gap: &gap}
	whole := func() *catchUp { return &catchUp{from: FromCursor, since: at(1), head: at(3), missed: []*entry{}} }
	tests := []struct {
		name    string
		state   subscriptionState
		catchUp *catchUp
		told    []*delivery
		queued  string
		pending string
		gap     string
		gaps    uint64
	}{
		{"live", live, nil, []*delivery{message(1), aside, message(2)}, "[1 aside 2]", "", "", 0},
		{"live, and broken", live, nil, []*delivery{message(1), broken}, "[1 gap fork 3-9]", "", "", 1},
		{"held", held, &catchUp{}, []*delivery{message(1), aside, message(2)}, "[]", "[1 aside 2]", "", 0},
		{"held, and broken", held, &catchUp{from: FromNow, head: at(3)}, []*delivery{message(4), broken, message(10)}, "[]", "[10]", "fork 3-9", 0},
		{"held with a place, and broken", held, &catchUp{from: FromCursor, since: at(1), head: at(3)}, []*delivery{broken}, "[]", "[]", "fork 1-9", 0},
		{"replaying", replaying, &catchUp{from: FromCursor, since: at(1), head: at(3)}, []*delivery{message(4), aside}, "[aside]", "[4]", "", 0},
		{"replaying, not read, and broken", replaying, &catchUp{from: FromCursor, since: at(1), head: at(3)}, []*delivery{message(4), broken, message(10)}, "[]", "[10]", "fork 1-9", 0},
		{"replaying, read, and broken", replaying, whole(), []*delivery{message(4), broken, message(10)}, "[]", "[10]", "fork 3-9", 0},
		{"replaying, and broken twice", replaying, whole(), []*delivery{broken, broken}, "[]", "[]", "fork 3-9", 0},
		{"ended", ended, nil, []*delivery{message(1), aside, broken}, "[]", "", "", 0},
		{"ahead, and not there yet", live, &catchUp{ahead: at(5)}, []*delivery{message(3), message(4), aside}, "[aside]", "[]", "", 0},
		{"ahead, and there", live, &catchUp{ahead: at(5), waiting: time.NewTimer(forever)}, []*delivery{message(4), message(5), message(6)}, "[6]", "", "", 0},
		{"ahead, and broken behind it", live, &catchUp{ahead: at(5), waiting: time.NewTimer(forever)}, []*delivery{broken}, "[gap fork 5-9]", "", "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sub := following(tt.state, tt.catchUp)
			for _, d := range tt.told {
				sub.deliver(d, false)
			}
			s, c := sub.session, sub.catchUp
			if got := words(s.outbox.queue); got != tt.queued {
				t.Errorf("queued %s, want %s", got, tt.queued)
			}
			waits := len(s.outbox.queue)
			pending, gap := "", ""
			if c != nil {
				pending, waits = words(c.pending), waits+len(c.pending)
				if c.gap != nil {
					gap = fmt.Sprintf("%s %d-%d", c.gap.Reason, c.gap.Last.Offset, c.gap.Now.Offset)
				}
			}
			if pending != tt.pending || gap != tt.gap {
				t.Errorf("kept %q and the gap %q, want %q and %q", pending, gap, tt.pending, tt.gap)
			}
			if s.outbox.count != waits || (s.outbox.size == 0) != (waits == 0) {
				t.Errorf("%d frames of %d bytes count, %d wait", s.outbox.count, s.outbox.size, waits)
			}
			if got := s.hub.stats.gaps.Load(); got != tt.gaps {
				t.Errorf("%d gaps counted, want %d", got, tt.gaps)
			}
		})
	}
}

// TestGoLive: the gap goes first, then what was kept back; nothing counts twice.
func TestGoLive(t *testing.T) {
	kept := func() []*Frame {
		return []*Frame{wordFormat{}.Message(&push.Message{Topic: "a", Position: at(4)}), wordFormat{}.Message(&push.Message{Topic: "a", Position: at(5)})}
	}
	gap := &broker.Gap{Topic: "a", Reason: broker.GapTrimmed, Last: at(1), Now: at(3)}
	tests := []struct {
		name    string
		catchUp *catchUp
		queued  string
		ahead   bool
	}{
		{"a client without a place", &catchUp{from: FromNow, head: at(3), pending: kept()}, "[4 5]", false},
		{"after a replay", &catchUp{from: FromCursor, since: at(1), head: at(3), missed: []*entry{}, pending: kept()}, "[4 5]", false},
		{"with a gap", &catchUp{from: FromCursor, since: at(1), head: at(3), gap: gap, pending: kept()}, "[gap trimmed 1-3 4 5]", false},
		{"ahead of what was kept", &catchUp{from: FromCursor, since: at(5), head: at(3), pending: kept()}, "[]", false},
		{"ahead of what may come", &catchUp{from: FromCursor, since: at(6), head: at(3), pending: kept()}, "[]", true},
		{"ahead, and met meanwhile", &catchUp{from: FromCursor, since: at(3), head: at(2), met: true, pending: kept()}, "[4 5]", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sub := following(held, tt.catchUp)
			s := sub.session
			s.hub.options.BrokerTimeout = forever
			for _, f := range tt.catchUp.pending {
				s.reserve(f, false)
			}
			sub.goLive()
			if got := words(s.outbox.queue); got != tt.queued || sub.state != live {
				t.Errorf("queued %s in state %d, want %s", got, sub.state, tt.queued)
			}
			if s.outbox.count != len(s.outbox.queue) {
				t.Errorf("%d frames count, %d wait", s.outbox.count, len(s.outbox.queue))
			}
			if ahead := sub.catchUp != nil; ahead != tt.ahead {
				t.Errorf("the client is ahead: %v", ahead)
			}
			sub.stop()
		})
	}
}
