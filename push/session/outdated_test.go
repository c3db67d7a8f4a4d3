package session_test

import (
	"encoding/base64"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// keeping is a broker that promises to keep places for so long.
type keeping struct {
	push.Broker
	keep time.Duration
}

func (k keeping) Keep() time.Duration { return k.keep }

// issued makes a cursor of offset 0 one that was issued so much later.
func issued(t *testing.T, cursor string, later time.Duration) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cursor[1:])
	if err != nil {
		t.Fatal(err)
	}
	at := raw[15:19]
	binary.BigEndian.PutUint32(at, binary.BigEndian.Uint32(at)+uint32(later/time.Second))
	return cursor[:1] + base64.RawURLEncoding.EncodeToString(raw)
}

// TestCursorBeforeTheFirstMessageIsGoodForATime has a cursor of a topic that nobody had
// published to. After the time for which a broker keeps places, the topic may have had a
// history that is gone without a trace.
func TestCursorBeforeTheFirstMessageIsGoodForATime(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name     string
		keep     time.Duration // 0: the broker doesn't tell
		away     time.Duration
		later    time.Duration // the cursor was issued, by a clock that differs
		followed bool          // by another client, all the time
		publish  bool          // while the client is away
		want     string
	}{
		{"soon", 24 * hour, hour, 0, false, false, "[hello live]"},
		{"soon, and there is a message", 24 * hour, hour, 0, false, true, "[hello 1 live]"},
		{"almost as long as is kept", 24 * hour, 20 * hour, 0, false, false, "[hello live]"},
		{"too late", 24 * hour, 22 * hour, 0, false, false, "[hello gap epoch 0-0 live]"},
		{"too late, and there is a message", 24 * hour, 22 * hour, 0, false, true, "[hello gap epoch 0-1 live]"},
		{"too late, but this instance has seen it all", 24 * hour, 48 * hour, 0, true, false, "[hello live]"},
		{"a broker that doesn't tell, soon", 0, 20 * hour, 0, false, false, "[hello live]"},
		{"a broker that doesn't tell, too late", 0, 22 * hour, 0, false, false, "[hello gap epoch 0-0 live]"},
		{"a broker that keeps for longer", 96 * hour, 72 * hour, 0, false, false, "[hello live]"},
		{"a broker that keeps for a minute", time.Minute, 55 * time.Second, 0, false, false, "[hello gap epoch 0-0 live]"},
		{"issued by a clock that is ahead", 24 * hour, hour, 3 * hour, false, false, "[hello live]"},
		{"issued in the future", 24 * hour, hour, 5 * hour, false, false, "[hello gap epoch 0-0 live]"},
		{"issued in the future, and seen by this instance", 24 * hour, hour, 5 * hour, true, false, "[hello gap epoch 0-0 live]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broker push.Broker = membroker.New(membroker.Options{Keep: 1000 * hour, History: broker.History{Age: -1}})
				if test.keep == 0 {
					broker = struct{ push.Broker }{broker}
				} else {
					broker = keeping{broker, test.keep}
				}
				w := newWorld(t, broker, push.Options{Limits: push.Limits{Age: -1}})
				defer w.shutdown()
				if test.followed {
					w.subscribe(w.open(newConn()), "", "a")
				}
				before := issued(t, w.cursor("a"), test.later)
				time.Sleep(test.away)
				if test.publish {
					w.publish("a", "1")
				}
				c := newConn()
				w.subscribe(w.open(c), before, "a")
				synctest.Wait()
				w.publish("a", "live")
				synctest.Wait()
				if got := c.take(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

// TestForgottenTopicIsNotTakenForTheOneBefore has a message published, kept for as long
// as it must be, and forgotten with its topic, and then another one.
func TestForgottenTopicIsNotTakenForTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		before := w.cursor("a")
		w.publish("a", "lost")
		time.Sleep(96 * time.Hour)
		w.publish("a", "1")
		c := newConn()
		w.subscribe(w.open(c), before, "a")
		synctest.Wait()
		if got, want := c.take(), "[hello gap epoch 0-1]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestCursorGetsYoungerOnlyWhenItsPlaceIsSeen looks at the cursors that are told to a
// client which comes with one of offset 0.
func TestCursorGetsYoungerOnlyWhenItsPlaceIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{MaxTopics: 1})
		defer w.shutdown()
		told := func(since string, topics ...string) string {
			t.Helper()
			var follows []session.Follow
			for _, topic := range topics {
				follows = append(follows, session.Follow{Topic: topic, Since: since})
			}
			cursor := ""
			s := w.open(newConn())
			s.Subscribe(t.Context(), follows, func(answers []session.Followed) *session.Frame {
				cursor = answers[len(answers)-1].Cursor
				return nil
			})
			synctest.Wait()
			return cursor
		}
		first := told("", "a")
		for range 5 { // more than it is good for in all
			time.Sleep(20 * time.Hour)
			next := told(first, "a")
			if next == first {
				t.Fatal("a place that was seen to be right is told as of before")
			}
			first = next
		}
		time.Sleep(time.Hour)
		if got := told(first+"."+w.cursor("b"), "b", "a"); got != first {
			t.Errorf("a topic that is refused is told at %s, was %s", got, first)
		}
		w.publish("a", "1")
		if got := told(first, "a"); got != first {
			t.Errorf("a place behind is told as %s, was %s", got, first)
		}
	})
}

// TestTopicsWithOneHashAreKnownToNobody has a cursor that names a topic twice. That costs
// no other topic its place.
func TestTopicsWithOneHashAreKnownToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		first := w.publish("a", "1")
		second := w.publish("a", "2")
		before := w.cursor("b")
		w.publish("b", "3")
		c := newConn()
		cursor := cursor.Join([]string{cursor.Format("a", first.Position), before, cursor.Format("a", second.Position)})
		w.subscribe(w.open(c), cursor, "a", "b")
		synctest.Wait()
		if got := c.take(); got != "[hello gap unknown_cursor 0-2 3]" && got != "[hello 3 gap unknown_cursor 0-2]" {
			t.Errorf("got %s", got)
		}
	})
}
