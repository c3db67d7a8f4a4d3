package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

func TestMessagesArriveInOrder(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		a, b := follow(t, c, "a"), follow(t, c, "b")
		i.publish("a", "1", "2")
		i.publish("b", "x")
		i.publish("a", "3")
		expect(t, b, "x")
		expect(t, a, "1", "2", "3")
	})
}

func TestMessagesArriveWhole(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{}, nil)
		s := follow(t, connect(t, i.url(), Options{Transport: way}), "ä/1")
		for _, m := range []push.Message{
			{ID: "named", Event: "created", Key: "k", Data: []byte("line\r\n\ndata: x\u2028")},
			{Data: []byte(`{"a":[1.50,"\u00e4"]}`), Encoding: push.EncodingJSON},
			{Data: []byte{0, 255, '\n'}, Encoding: push.EncodingBinary},
			{},
		} {
			m.Topic = "ä/1"
			receipt, err := i.hub.Publish(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			e := next(t, s)
			got := e.Message
			if got == nil {
				t.Fatalf("got %s", describe(e))
			}
			if got.ID != m.ID || got.Event != m.Event || got.Key != m.Key || string(got.Data) != string(m.Data) || got.Encoding != m.Encoding {
				t.Errorf("got %+v, want %+v", got, m)
			}
			if got.Position != receipt.Position || e.Cursor == "" || e.Cursor != s.Cursor() {
				t.Errorf("position %+v, want %+v; cursor %q and %q", got.Position, receipt.Position, e.Cursor, s.Cursor())
			}
		}
	})
}

func TestCursorContinuesInAnotherClient(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	for n, way := range transports {
		a, b := fmt.Sprint("a", n), fmt.Sprint("b", n)
		c := connect(t, i.url(), Options{Transport: way})
		first, second := follow(t, c, a), follow(t, c, b)
		i.publish(a, "1", "2", "3")
		i.publish(b, "x", "y")
		expect(t, first, "1", "2")
		expect(t, second, "x")
		at := c.Cursor()
		if err := c.Close(patience(t)); err != nil {
			t.Fatal(err)
		}
		for _, way := range transports {
			c := connect(t, i.url(), Options{Transport: way})
			// One cursor of both, given to each.
			first, second := follow(t, c, a, SubscribeOptions{Since: at}), follow(t, c, b, SubscribeOptions{Since: at})
			expect(t, first, "3")
			expect(t, second, "y")
		}
	}
}

func TestGapIsAnEvent(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serveOn(t, membroker.New(membroker.Options{History: broker.History{Messages: 2}}), "", push.Options{}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		i.publish("a", "0")
		since, err := i.hub.Cursor(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		i.publish("a", "1", "2", "3", "4")
		s := follow(t, c, "a", SubscribeOptions{Since: since})
		e := next(t, s)
		if e.Gap == nil || e.Gap.Reason != broker.GapTrimmed || e.Gap.Now.Offset != 5 || e.Cursor != s.Cursor() {
			t.Fatalf("got %s with the cursor %q, then %q", describe(e), e.Cursor, s.Cursor())
		}
		i.publish("a", "5")
		expect(t, s, "5")

		broken := follow(t, c, "b", SubscribeOptions{Since: "nonsense"})
		if e := next(t, broken); e.Gap == nil || e.Gap.Reason != broker.GapUnknownCursor {
			t.Fatalf("got %s", describe(e))
		}
		i.publish("b", "1")
		expect(t, broken, "1")
	})
}

// TestBrokenCursorCostsItsTopicAlone: a topic that has a good cursor loses nothing.
func TestBrokenCursorCostsItsTopicAlone(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{}, nil)
		since, err := i.hub.Cursor(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		i.publish("a", "1", "2")
		c := connect(t, i.url(), Options{Transport: way})
		broken := make(map[string]*Subscription)
		for _, text := range []string{"nonsense", "2" + since[1:], since + ".", strings.Repeat("1", 5000)} {
			topic := "b" + strconv.Itoa(len(broken))
			if broken[topic], err = c.Subscribe(topic, SubscribeOptions{Since: text}); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, follow(t, c, "a", SubscribeOptions{Since: since}), "1", "2")
		for _, s := range broken {
			if e := next(t, s); e.Gap == nil || e.Gap.Reason != broker.GapUnknownCursor {
				t.Errorf("got %s", describe(e))
			}
		}
	})
}

// TestCursorOfSeveralTopicsIsShared by subscriptions of topics that it names, and of one that
// it doesn't.
func TestCursorOfSeveralTopicsIsShared(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{}, nil)
		var cursors []string
		for _, topic := range []string{"a", "b"} {
			at, err := i.hub.Cursor(t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			cursors = append(cursors, at)
		}
		i.publish("a", "a1")
		i.publish("b", "b1")
		since := cursor.Join(cursors)
		c := connect(t, i.url(), Options{Transport: way})
		following := map[string]*Subscription{}
		for _, topic := range []string{"new", "a", "b"} {
			s, err := c.Subscribe(topic, SubscribeOptions{Since: since})
			if err != nil {
				t.Fatal(err)
			}
			following[topic] = s
		}
		expect(t, following["a"], "a1")
		expect(t, following["b"], "b1")
		if e := next(t, following["new"]); e.Gap == nil || e.Gap.Reason != broker.GapUnknownCursor {
			t.Errorf("got %s", describe(e))
		}
	})
}

// TestRecentFollowsAGap: where the cursor leads to a gap the last messages come, and where
// it doesn't, no message comes twice.
func TestRecentFollowsAGap(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serveOn(t, membroker.New(membroker.Options{History: broker.History{Messages: 3}}), "", push.Options{}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		i.publish("a", "0")
		since, err := i.hub.Cursor(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		i.publish("a", "1", "2", "3", "4", "5")
		s := follow(t, c, "a", SubscribeOptions{Since: since, Recent: 2})
		if e := next(t, s); e.Gap == nil || e.Gap.Reason != broker.GapTrimmed {
			t.Fatalf("got %s", describe(e))
		}
		expect(t, s, "4")
		since = s.Cursor()
		expect(t, s, "5")
		s.Close()
		resumed := follow(t, c, "a", SubscribeOptions{Since: since, Recent: 2})
		expect(t, resumed, "5")
		i.publish("a", "6")
		expect(t, resumed, "6")
	})
}

func TestSubscribeRefuses(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	c := connect(t, i.url(), Options{})
	s := follow(t, c, "a")
	for _, topic := range []string{"", "a*", strings.Repeat("x", 300), "a"} {
		if _, err := c.Subscribe(topic); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("%.10q: %v", topic, err)
		}
	}
	s.Close()
	if err := c.Close(patience(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe("b"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"": "no scheme", "127.0.0.1:8080/push": "no scheme", "localhost:8080/push": "no scheme", "example.com/push": "no scheme",
		"ftp://x": "http, https, ws or wss", "://": "", "http://": "host", "http://x?a=b": "query", "http://x#a": "fragment",
	} {
		if u, err := parseBase(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v, %v", url, u, err)
		}
	}
	for url, want := range map[string]string{
		"http://x/push": "http://x/push", "https://x": "https://x", "ws://x:1/push": "http://x:1/push", "WSS://x/push": "https://x/push",
	} {
		if u, err := parseBase(url); err != nil || u.String() != want {
			t.Errorf("%q is %v, %v", url, u, err)
		}
	}
	if _, err := New("127.0.0.1:8080/push"); err == nil {
		t.Error("New takes a URL without a scheme")
	}
}

// TestTopicIsFollowedAgain: what comes of the first subscription isn't the second's.
func TestTopicIsFollowedAgain(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		keep := follow(t, c, "keep")
		for n := range 20 {
			s := follow(t, c, "a")
			i.publish("a", "for nobody")
			s.Close()
			again := follow(t, c, "a")
			i.publish("a", fmt.Sprint(n))
			expect(t, again, fmt.Sprint(n))
			again.Close()
			if _, err := again.Next(patience(t)); !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		i.publish("keep", "1")
		expect(t, keep, "1")
	})
}

func TestManyTopics(t *testing.T) {
	for way, n := range map[Transport]int{WebSocket: 100, EventStream: 50} {
		t.Run(way.String(), func(t *testing.T) {
			i := serve(t, "", push.Options{}, nil)
			c := connect(t, i.url(), Options{Transport: way})
			all := make([]*Subscription, n)
			var err error
			for k := range all {
				if all[k], err = c.Subscribe(fmt.Sprint("topic/", k, strings.Repeat("x", 100))); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range all {
				if err := s.Ready(patience(t)); err != nil {
					t.Fatal(err)
				}
				i.publish(s.Topic(), "1")
			}
			for _, s := range all {
				expect(t, s, "1")
			}
			// One more waits for room, and says so.
			more, err := c.Subscribe("more")
			if err != nil {
				t.Fatal(err)
			}
			if e := next(t, more); !errors.Is(e.Refused, push.CodeLimitReached) {
				t.Fatalf("got %s", describe(e))
			}
			all[0].Close()
			if err := more.Ready(patience(t)); err != nil {
				t.Fatal(err)
			}
			i.publish("more", "1")
			expect(t, more, "1")
		})
	}
}

func TestEventsEnd(t *testing.T) {
	i := serve(t, "", push.Options{}, nil)
	c := connect(t, i.url(), Options{})
	s := follow(t, c, "a")
	i.publish("a", "1", "2", "3")
	var got []string
	for e, err := range s.Events(patience(t)) {
		if err != nil {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("the end: %v", err)
			}
			break
		}
		got = append(got, string(e.Message.Data))
		if len(got) == 3 {
			s.Close()
		}
	}
	if strings.Join(got, "") != "123" {
		t.Errorf("got %q", got)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTest)
	other := follow(t, c, "a")
	if _, err := other.Next(ctx); !errors.Is(err, errTest) {
		t.Errorf("a context that has ended: %v", err)
	}
	i.publish("a", "4")
	expect(t, other, "4")
}

var errTest = errors.New("the test's")

// TestCloseWhileAllIsUnderWay: whatever goes on, Close ends it, and nothing is left.
func TestCloseWhileAllIsUnderWay(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serve(t, "", push.Options{Receive: func(context.Context, push.Inbound) (push.Reply, error) { return push.Reply{}, nil }}, nil)
		for range 20 {
			c := connect(t, i.url(), Options{Transport: way, Buffer: 1})
			var work sync.WaitGroup
			for k := range 5 {
				topic := fmt.Sprint("t", k)
				s, err := c.Subscribe(topic)
				if err != nil {
					t.Fatal(err)
				}
				work.Go(func() {
					for range s.Events(context.Background()) {
					}
				})
				work.Go(func() {
					for {
						if _, err := c.Send(context.Background(), push.Message{Topic: topic}); errors.Is(err, ErrClosed) {
							return
						}
					}
				})
				work.Go(func() { i.publish(topic, "1", "2", "3") })
				work.Go(func() {
					s, err := c.Subscribe(topic + "/more")
					if err == nil {
						_ = s.Ready(context.Background())
						s.Close()
					}
				})
			}
			if err := c.Close(patience(t)); err != nil {
				t.Error(err)
			}
			if err := c.Err(); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			work.Wait()
		}
	})
}
