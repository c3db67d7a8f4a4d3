package poll_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// TestLostAnswer asks again with the cursor from before: the same comes, and nothing twice
// behind it.
func TestLostAnswer(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		since := s.poll("topic=a&topic=b&wait=0", "").Cursor
		waiting := s.begin("topic=a&topic=b", since)
		s.publish("a", "1")
		s.want(<-waiting, "a1") // lost
		s.publish("b", "2")
		p := s.poll("topic=a&topic=b", since)
		s.want(p, "a1 b2")
		s.want(s.poll("topic=a&topic=b", since), "a1 b2")
		s.publish("a", "3")
		p = s.poll("topic=a&topic=b", p.Cursor)
		s.want(p, "a3")
		s.want(s.poll("topic=a&topic=b&wait=1", p.Cursor), "")
	})
}

// TestLostGap: a gap is told until its answer has come.
func TestLostGap(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		s.publish("a", "1")
		elsewhere := cursor.Format("a", broker.Position{Epoch: 7, Offset: 3, Tag: 1})
		for _, since := range []string{"garbage", cursor.Empty, elsewhere} {
			s.want(s.poll("topic=a&topic=b", "garbage"), "gap gap")
			s.want(s.poll("topic=a", since), "gap")
			p := s.poll("topic=a", since)
			s.want(p, "gap")
			s.want(s.poll("topic=a&wait=1", p.Cursor), "")
		}
	})
}

// ample has room for many pages.
var ample = membroker.Options{MaxMessage: 4 << 20, History: broker.History{Messages: 1000, Bytes: 1 << 30}}

// TestPages: an answer has about a mebibyte, and the next goes on behind it.
func TestPages(t *testing.T) {
	large := push.Options{ReplayBytes: 1 << 30}
	inVirtualTime(t, large, func(s *site) {
		since := s.poll("topic=a&topic=b&wait=0", "").Cursor
		const each = 10
		for i := range each {
			for _, topic := range []string{"a", "b"} {
				s.publish(topic, fmt.Sprint(i, strings.Repeat("x", 200_000)))
			}
		}
		s.publish("a", strings.Repeat("y", 3<<20)) // more than a page by itself
		next, pages := map[string]int{}, 0
		for ; next["a"] < each+1 || next["b"] < each; pages++ {
			p := s.poll("topic=a&topic=b", since)
			if p.err != nil || len(p.Frames) == 0 {
				s.t.Fatalf("%+v", p)
			}
			size := 0
			for _, f := range p.Frames {
				size += len(f.Data)
				if n := next[f.Topic]; n < each && !strings.HasPrefix(string(f.Data), fmt.Sprint(n, "x")) {
					s.t.Fatalf("got %.10q of %s, want number %d", f.Data, f.Topic, n)
				}
				next[f.Topic]++
			}
			if size > 1<<20 && len(p.Frames) > 1 {
				s.t.Errorf("a page has %d bytes in %d frames", size, len(p.Frames))
			}
			since = p.Cursor
		}
		if pages != 5 { // of five messages each, and the large one
			s.t.Errorf("%d pages", pages)
		}
		s.want(s.poll("topic=a&topic=b&wait=1", since), "")
	}, ample)
}

// TestPageHasTheGapsOfAllTopics, also behind its end: without them it would have no cursor
// with which the next page goes on.
func TestPageHasTheGapsOfAllTopics(t *testing.T) {
	inVirtualTime(t, push.Options{ReplayBytes: 1 << 30}, func(s *site) {
		const each = 10
		for i := range each {
			for _, topic := range []string{"a", "b", "c"} {
				s.publish(topic, fmt.Sprint(i, strings.Repeat("x", 200_000)))
			}
		}
		topics, since := "topic=a&topic=b&topic=c&recent=100", "garbage"
		gaps, next := 0, map[string]int{}
		for range 3 * each {
			p := s.poll(topics+"&wait=0", since)
			if p.err != nil {
				s.t.Fatalf("%+v", p)
			}
			for _, f := range p.Frames {
				if f.Type == "gap" {
					gaps++
					continue
				}
				if !strings.HasPrefix(string(f.Data), fmt.Sprint(next[f.Topic], "x")) {
					s.t.Fatalf("got %.10q of %s, want number %d", f.Data, f.Topic, next[f.Topic])
				}
				next[f.Topic]++
			}
			if since == "garbage" && gaps != 3 {
				s.t.Errorf("the first page has %d gaps", gaps)
			}
			since = p.Cursor
		}
		if gaps != 3 || next["a"] != each || next["b"] != each || next["c"] != each {
			s.t.Errorf("%d gaps, and %v", gaps, next)
		}
	}, ample)
}

// TestRecentIsHistory: with recent a plain read has the last messages.
func TestRecentIsHistory(t *testing.T) {
	inVirtualTime(t, push.Options{}, func(s *site) {
		for i := range 10 {
			s.publish("a", fmt.Sprint(i))
		}
		p := s.poll("topic=a&wait=0&recent=3", "")
		s.want(p, "a7 a8 a9")
		if p.after != 0 || p.Topics[0].From != "recent" {
			s.t.Errorf("after %v: %+v", p.after, p.Topics)
		}
		s.publish("a", "10")
		s.want(s.poll("topic=a&wait=0&recent=3", p.Cursor), "a10")
	})
}
