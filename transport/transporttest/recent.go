package transporttest

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// askFor opens a client that asks for the last n messages of its topics. It must be
// welcomed, and the answers are returned.
func (s *site) askFor(n int, since string, topics ...string) (*Client, []TopicState) {
	s.t.Helper()
	plain := s.address
	s.address += fmt.Sprint("?recent=", n)
	defer func() { s.address = plain }()
	c, err := s.tryConnect(topics, since)
	if err != nil {
		s.t.Fatal(err)
	}
	f := s.next(c)
	if f.Type != protocol.TypeWelcome || len(f.Topics) != len(topics) {
		s.t.Fatalf("first frame is %+v", f)
	}
	return c, f.Topics
}

// testRecent asks for the last messages with each kind of cursor.
func testRecent(t *testing.T, h Harness) {
	s := openOn(t, h, membroker.New(membroker.Options{History: broker.History{Messages: 10}}), push.Options{ReplayMessages: 8})
	var places []broker.Position // after each message
	for i := range 20 {
		places = append(places, s.publish("a", fmt.Sprint(i)).Position)
	}
	other := s.publish("b", "other").Position
	at := func(i int) string { return cursor.Format("a", places[i]) }
	live := 20
	for _, tt := range []struct {
		name, since string
		recent      int
		from        session.From
		gap         broker.GapReason
		first       int // the first message of the 20 that comes
	}{
		{"alone", "", 5, session.FromRecent, "", 15},
		{"none", "", 0, session.FromNow, "", 20},
		{"more than a replay has", "", 1000, session.FromRecent, "", 12},
		{"with a cursor", at(17), 8, session.FromCursor, "", 18},
		{"with a cursor that is trimmed", at(3), 8, session.FromCursor, broker.GapTooMany, 12},
		{"with a cursor that is broken", "garbage", 2, session.FromCursor, broker.GapUnknownCursor, 18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			before := live - 20 // messages that earlier cases have published
			c, topics := s.askFor(tt.recent, tt.since, "a")
			if topics[0].From != string(tt.from) || topics[0].Error != nil {
				t.Fatalf("welcomed with %+v", topics[0])
			}
			first := tt.first + before
			if tt.since == at(17) {
				first = tt.first
			}
			if tt.gap != "" {
				if f := s.next(c); f.Type != protocol.TypeGap || f.Reason != string(tt.gap) || f.Now.Offset != uint64(first) || c.Position("a") != places[first-1] {
					t.Fatalf("got %+v, want the gap %s to %d", f, tt.gap, first)
				}
			} else if first > 0 && tt.gap == "" && c.Position("a") != places[first-1] {
				t.Fatalf("it is at %+v, want %+v", c.Position("a"), places[first-1])
			}
			var want []string
			for i := first; i <= live; i++ {
				want = append(want, fmt.Sprint(i))
			}
			places = append(places, s.publish("a", fmt.Sprint(live)).Position)
			live++
			s.wantData(c, want...)
			if c.Position("a") != places[live-1] {
				t.Errorf("it is at %+v, want %+v", c.Position("a"), places[live-1])
			}
			c.Close()
		})
	}
	s.t = t
	c, topics := s.askFor(1, at(live-2), "a", "b", "empty")
	if topics[0].From != string(session.FromCursor) || topics[1].From != string(session.FromRecent) || topics[2].Cursor == "" {
		t.Errorf("welcomed with %+v", topics)
	}
	s.wantData(c, fmt.Sprint(live-1), "other")
	if c.Position("b") != other {
		t.Errorf("it is at %+v, want %+v", c.Position("b"), other)
	}
}

// testRecentAtOnce has clients come while messages are published: each gets all from the
// place that was announced, once and in order.
func testRecentAtOnce(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	for i := range 10 {
		s.publish("a", fmt.Sprint(i))
	}
	const clients, published = 20, 200
	done := make(chan error, 1)
	go func() {
		for i := 10; i < published; i++ {
			if _, err := s.hub.Publish(t.Context(), push.Message{Topic: "a", Data: fmt.Append(nil, i)}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range clients {
		c, _ := s.askFor(5, "", "a")
		next := int(c.Position("a").Offset)
		if next < 5 {
			t.Fatalf("client %d begins at %d", i, next)
		}
		for ; next < published; next++ {
			s.wantData(c, fmt.Sprint(next))
		}
		c.Close()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
