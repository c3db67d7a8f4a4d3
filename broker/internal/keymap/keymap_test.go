package keymap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// start is any time.
var start = time.UnixMilli(1_000_000)

func touched(key string, at time.Time, ttl time.Duration) *push.Message {
	return &push.Message{Op: broker.OpTouch, Key: key, Time: at, TTL: ttl}
}

func added(key string, at time.Time, ttl time.Duration) *push.Message {
	return &push.Message{Op: broker.OpSet, Key: key, Time: at, TTL: ttl}
}

// TestRenewedKeysTakeNoMoreRoom renews keys again and again.
func TestRenewedKeysTakeNoMoreRoom(t *testing.T) {
	const keys = 10
	var m Map
	random := rand.New(rand.NewPCG(1, 1))
	want := map[string]time.Time{}
	for i := range 10_000 {
		key, ttl := fmt.Sprint(random.IntN(keys)), time.Duration(random.IntN(1000))*time.Millisecond
		change := added
		if _, there := m.entries[key]; there {
			change = touched
		}
		m.Apply(change(key, start, ttl))
		if want[key] = start.Add(ttl); ttl == 0 {
			delete(want, key)
		}
		if n := len(m.deadlines); n > 2*keys+spareDeadlines+1 {
			t.Fatalf("%d deadlines of %d keys", n, keys)
		}
		first, ok := m.Next()
		for key, at := range want {
			if !ok || first.After(at) {
				t.Fatalf("after %d changes the first is due at %v (%v), %s at %v", i, first, ok, key, at)
			}
		}
		if ok != (len(want) > 0) {
			t.Fatalf("after %d changes something is due: %v; want %v", i, ok, want)
		}
	}
}

func TestDueKeys(t *testing.T) {
	var m Map
	for i := range MaxExpired + 10 {
		m.Apply(added(fmt.Sprintf("%03d", i), start, time.Duration(i+1)*time.Second))
	}
	m.Apply(touched("000", start, time.Second)) // the time that it has
	m.Apply(touched("001", start, 0))
	m.Apply(touched("002", start, time.Hour))
	at := func(d time.Duration) time.Time { return start.Add(d) }
	if due := m.Clone().Due(at(time.Second-1), "000"); due != nil {
		t.Errorf("before the first deadline %v are due", due)
	}
	if due := m.Clone().Due(at(5*time.Second), "004"); !slices.Equal(due, []string{"000", "003", "004"}) {
		t.Errorf("after five seconds %v are due", due)
	}
	due := m.Clone().Due(at(time.Hour), "108")
	if len(due) != MaxExpired+1 || due[0] != "000" || due[1] != "003" || due[MaxExpired] != "108" {
		t.Errorf("after an hour %d are due: %v", len(due), due)
	}
	if n := len(m.Messages("a", 1, false, at(time.Hour))); n != 1 {
		t.Errorf("after an hour %d are left", n)
	}
}

func TestCloneIsApart(t *testing.T) {
	var m Map
	m.Apply(&push.Message{Op: broker.OpSet, Key: "k", Data: []byte("a"), Time: start, TTL: time.Hour})
	other := m.Clone()
	for i, piece := range []string{"b", "c"} {
		[]*Map{&m, other}[i].Apply(&push.Message{Op: broker.OpAppend, Key: "k", Data: []byte(piece), Time: start})
	}
	for want, m := range map[string]*Map{"ab": &m, "ac": other} {
		if got := m.Messages("a", 1, false, start); len(got) != 1 || string(got[0].Data) != want || m.Bytes() != 3 {
			t.Errorf("%+v, %d bytes; want %q", got, m.Bytes(), want)
		}
	}
}

func TestTTL(t *testing.T) {
	tests := []struct {
		op              broker.Op
		asked, ruleSays time.Duration
		want            time.Duration
	}{
		{broker.OpSet, 0, 0, 0},
		{broker.OpSet, 0, time.Minute, time.Minute},
		{broker.OpAppend, time.Second, time.Minute, time.Second},
		{broker.OpTouch, -1, time.Minute, 0},
		{broker.OpSet, 1, 0, time.Millisecond},
		{broker.OpSet, 1500 * time.Microsecond, 0, time.Millisecond},
		{broker.OpDelete, time.Second, time.Minute, 0},
		{broker.OpPublish, 0, time.Minute, 0},
	}
	for _, test := range tests {
		got := TTL(&push.Message{Op: test.op, TTL: test.asked}, &broker.TopicRule{TTL: test.ruleSays})
		if got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
