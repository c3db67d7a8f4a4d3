package client

import (
	"context"
	"fmt"
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// TestRecentIsAskedFor of a server that offers it, and of no other.
func TestRecentIsAskedFor(t *testing.T) {
	for _, offers := range []bool{true, false} {
		var got string
		scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			socketed(w, r, func(conn *websocket.Conn) {
				if offers {
					write(conn, hello)
				} else {
					write(conn, `{"type":"welcome","heartbeat":1000}`)
				}
				_, data, _ := conn.Read(context.Background())
				got = string(data)
			})
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{Transport: WebSocket})
			if _, err := c.Subscribe("a", SubscribeOptions{Recent: 5}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			want := string(protocol.Subscribe(1, []protocol.Follow{{Topic: "a"}}))
			if offers {
				want = string(protocol.Subscribe(1, []protocol.Follow{{Topic: "a", Recent: 5}}))
			}
			if got != want {
				t.Errorf("got %s", got)
			}
			s.close(c)
		})
	}
}

// TestRecentIsAskedForAgain: with the cursor, as it decides only if there is no gap.
func TestRecentIsAskedForAgain(t *testing.T) {
	const cursor = "1xN0WXwbDX5-KbCHQ5Lc1AQIDBAc"
	var asked []session.Follow
	scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			listen(conn, func(r protocol.Request) {
				asked = append(asked, r.Follows...)
				write(conn, fmt.Sprintf(`{"type":"subscribed","id":%d,"topics":[{"topic":"a","from":"recent","cursor":%q}]}`, r.ID, cursor))
				if n == 0 {
					_ = conn.Close(websocket.StatusServiceRestart, "")
				}
			})
		})
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: WebSocket})
		if _, err := c.Subscribe("a", SubscribeOptions{Recent: 5}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want := []session.Follow{{Topic: "a", Recent: 5}, {Topic: "a", Since: cursor, Recent: 5}}
		if !slices.Equal(asked, want) {
			t.Errorf("asked for %+v", asked)
		}
		s.close(c)
	})
}

func TestStreamHasOneNumberOfRecentMessages(t *testing.T) {
	type topics = []protocol.Follow
	for name, test := range map[string]struct {
		topics topics
		want   int
	}{
		"none":                      {topics{{Topic: "a"}, {Topic: "b", Since: "1"}}, 0},
		"all resume":                {topics{{Since: "1", Recent: 7}, {Since: "2", Recent: 7}}, 7},
		"all resume, and differ":    {topics{{Since: "1", Recent: 7}, {Since: "2", Recent: 7}, {Since: "3"}}, 0},
		"that of new topics":        {topics{{Since: "1", Recent: 7}, {Recent: 2}, {Recent: 2}}, 2},
		"new topics that want none": {topics{{Since: "1", Recent: 7}, {Topic: "b"}}, 0},
	} {
		query, err := url.ParseQuery(streamQuery(test.topics))
		if got, _ := strconv.Atoi(query.Get("recent")); err != nil || got != test.want || query.Has("recent") != (test.want > 0) {
			t.Errorf("%s: %v, %v", name, query, err)
		}
	}
}

// TestStreamAsksForRecentMessagesOfEachTopic: a URL has one number for all topics that
// come without a cursor, so those with another number come later.
func TestStreamAsksForRecentMessagesOfEachTopic(t *testing.T) {
	const at = "1xN0WXwbDX5-KbCHQ5Lc1AQIDBAc"
	var queries []url.Values
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		queries = append(queries, query)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"type":"welcome","heartbeat":300000,"topics":[`)
		for n, topic := range query["topic"] {
			if n > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"topic":%q,"from":"now","cursor":"%s%s"}`, topic, at, topic)
		}
		fmt.Fprint(w, "]}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: EventStream})
		numbers := map[string]int{"a": 5, "b": 7, "c": 0, "d": 5}
		for _, topic := range []string{"a", "b", "c", "d"} {
			if _, err := c.Subscribe(topic, SubscribeOptions{Recent: numbers[topic]}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		followed := ""
		for _, query := range queries {
			var since []string
			for _, topic := range query["topic"] {
				if strings.Contains(followed, topic) {
					since = append(since, at+topic)
					continue
				}
				followed += topic
				if n, _ := strconv.Atoi(query.Get("recent")); n != numbers[topic] {
					t.Errorf("topic %s begins with %v", topic, query)
				}
			}
			if got := query.Get("since"); got != strings.Join(since, ".") {
				t.Errorf("since is %q, want %q", got, since)
			}
		}
		if last := queries[len(queries)-1]; len(last["topic"]) != 4 {
			t.Errorf("the last stream is %v", last)
		}
		s.close(c)
	})
}

// TestRecentIsOfItsTopicAlone: another topic, which comes with a cursor that leads to a gap,
// doesn't begin with its last messages as well.
func TestRecentIsOfItsTopicAlone(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serveOn(t, membroker.New(membroker.Options{History: broker.History{Messages: 3}}), "", push.Options{}, nil)
		i.publish("state", "0")
		since, err := i.hub.Cursor(t.Context(), "state")
		if err != nil {
			t.Fatal(err)
		}
		i.publish("state", "1", "2", "3", "4")
		i.publish("chat", "1", "2", "3")
		c := connect(t, i.url(), Options{Transport: way})
		state, err := c.Subscribe("state", SubscribeOptions{Since: since})
		if err != nil {
			t.Fatal(err)
		}
		chat, err := c.Subscribe("chat", SubscribeOptions{Recent: 2})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, chat, "2", "3")
		if e := next(t, state); e.Gap == nil {
			t.Fatalf("got %s", describe(e))
		}
		i.publish("state", "5")
		expect(t, state, "5")
	})
}
