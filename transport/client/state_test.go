package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

const helloStates = `{"type":"welcome","protocol":"tidewire.v1","session":"s","heartbeat":1000,"features":["recent","state"],"topics":[]}`

// told is one frame of the golden conversation, and what a client has after it.
type told struct {
	Frame    json.RawMessage
	Cursor   string
	Map      map[string]json.RawMessage
	Versions map[string]string
}

func conversation(t *testing.T) []told {
	t.Helper()
	text, err := os.ReadFile("../protocol/testdata/conversation/state.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Frames []told }
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c.Frames
}

// jsonOf is the map as the golden conversation has it.
func jsonOf(t *testing.T, s *State) (values map[string]string, versions map[string]string) {
	t.Helper()
	values, versions = map[string]string{}, map[string]string{}
	for key, v := range s.All() {
		text := v.Data
		if v.Encoding == push.EncodingText {
			var err error
			if text, err = json.Marshal(string(v.Data)); err != nil {
				t.Fatal(err)
			}
		}
		got, ok := s.Get(key)
		if !ok || string(got.Data) != string(v.Data) || got.Version != v.Version || s.Version(key) != v.Version {
			t.Errorf("%s: %+v and %+v", key, got, v)
		}
		values[key], versions[key] = string(text), v.Version.String()
	}
	if s.Len() != len(values) {
		t.Errorf("%d keys are %d", s.Len(), len(values))
	}
	return values, versions
}

// speaker is a server that says what a test gives it, over either transport. It answers the
// nth request with the nth list of answers.
type speaker struct {
	say   chan string
	asked [][]session.Follow
}

func (p *speaker) answer(way Transport, answers []string) func(int, http.ResponseWriter, *http.Request) {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		if way == EventStream {
			follows, e := protocol.Follows(r, 50)
			if e != nil {
				panic(e)
			}
			p.asked = append(p.asked, follows)
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: %s\n\n", strings.Replace(helloStates, "[]", answers[n], 1))
			_ = http.NewResponseController(w).Flush()
			for {
				select {
				case frame := <-p.say:
					if frame == "" {
						return
					}
					fmt.Fprintf(w, "data: %s\n\n", frame)
					_ = http.NewResponseController(w).Flush()
				case <-r.Context().Done():
					return
				}
			}
		}
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, helloStates)
			ctx, cancel := context.WithCancel(context.Background())
			answered := make(chan struct{})
			go func() {
				defer cancel()
				listen(conn, func(r protocol.Request) {
					if r.Type != protocol.TypeSubscribe {
						return
					}
					p.asked = append(p.asked, r.Follows)
					write(conn, fmt.Sprintf(`{"type":"subscribed","id":%d,"topics":%s}`, r.ID, answers[n]))
					close(answered)
				})
			}()
			select {
			case <-answered:
			case <-ctx.Done():
			}
			for {
				select {
				case frame := <-p.say:
					if frame == "" {
						_ = conn.Close(websocket.StatusServiceRestart, "0")
						<-ctx.Done()
						return
					}
					write(conn, frame)
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

const fromSnapshot = `[{"topic":"prices","kind":"state","epoch":"9f8a6c21d0e4b735","from":"snapshot"}]`

// TestStateFollowsTheConversation: after each frame the map and the versions are what the
// golden file says.
func TestStateFollowsTheConversation(t *testing.T) {
	frames := conversation(t)
	eachTransport(t, func(t *testing.T, way Transport) {
		server := &speaker{say: make(chan string)}
		scripted(t, server.answer(way, []string{fromSnapshot}), func(t *testing.T, s *script) {
			server.say = make(chan string)
			c := s.connect(Options{Transport: way})
			state, err := c.State("prices")
			if err != nil {
				t.Fatal(err)
			}
			mirror := map[string]string{} // by OnChange alone
			stop := state.OnChange(func(keys []string) {
				for _, key := range keys {
					if v, ok := state.Get(key); ok {
						mirror[key] = string(v.Data)
					} else {
						delete(mirror, key)
					}
				}
			})
			for i, f := range frames {
				if i > 0 {
					server.say <- string(f.Frame)
				}
				synctest.Wait()
				want := map[string]string{}
				for key, value := range f.Map {
					want[key] = string(value)
				}
				if values, versions := jsonOf(t, state); !maps.Equal(values, want) || !maps.Equal(versions, f.Versions) {
					t.Errorf("after frame %d: %v %v, want %v %v", i, values, versions, want, f.Versions)
				}
				c.mu.Lock()
				if got := state.sub.cursor; got != f.Cursor {
					t.Errorf("after frame %d the cursor is %q, want %q", i, got, f.Cursor)
				}
				c.mu.Unlock()
				if len(mirror) != len(want) {
					t.Errorf("after frame %d OnChange has led to %v", i, mirror)
				}
			}
			stop()
			server.say <- `{"type":"state","topic":"prices","changes":[{"key":"unseen","version":400,"data":""}]}`
			synctest.Wait()
			if _, ok := mirror["unseen"]; ok || state.Len() != len(mirror)+1 {
				t.Errorf("after stop: %v", mirror)
			}
			if c.Cursor() != cursor.Empty {
				t.Errorf("the client's cursor is %q", c.Cursor())
			}
			s.close(c)
			if state.Len() != len(mirror)+1 || !errors.Is(state.Err(), ErrClosed) {
				t.Errorf("after Close: %d keys, %v", state.Len(), state.Err())
			}
		})
	})
}

// TestStateResumes: with the cursor after the last whole batch; a snapshot begins with
// nothing, and so does a client that is cut after a reset.
func TestStateResumes(t *testing.T) {
	first, second := cursor.Format("prices", broker.Position{Epoch: 1, Offset: 3, Tag: 3}), cursor.Format("prices", broker.Position{Epoch: 1, Offset: 5, Tag: 5})
	const snapshot = `[{"topic":"prices","kind":"state","epoch":"0000000000000001","from":"snapshot"}]`
	resumed := func(at string) string {
		return fmt.Sprintf(`[{"topic":"prices","kind":"state","epoch":"0000000000000001","from":"cursor","cursor":%q}]`, at)
	}
	set := func(key string, at string) string {
		frame := fmt.Sprintf(`{"type":"state","topic":"prices","changes":[{"key":%q,"version":3,"data":"x"}]`, key)
		if at != "" {
			frame += fmt.Sprintf(`,"at":%q`, at[cursor.Constant:])
		}
		return frame + "}"
	}
	synced := fmt.Sprintf(`{"type":"synced","topic":"prices","epoch":"0000000000000001","cursor":%q}`, first)
	eachTransport(t, func(t *testing.T, way Transport) {
		server := &speaker{}
		scripted(t, server.answer(way, []string{snapshot, snapshot, resumed(first), resumed(second), snapshot}), func(t *testing.T, s *script) {
			server.say = make(chan string)
			c := s.connect(Options{Transport: way, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
			state, err := c.State("prices")
			if err != nil {
				t.Fatal(err)
			}
			say := func(want string, complete bool, frames ...string) {
				for _, frame := range frames {
					server.say <- frame
				}
				time.Sleep(10 * time.Millisecond) // for a connection that ends
				synctest.Wait()
				var keys []string
				for key := range state.All() {
					keys = append(keys, key)
				}
				slices.Sort(keys)
				if got := strings.Join(keys, " "); got != want || state.Complete() != complete {
					t.Errorf("after %q: %s, complete: %v", frames, got, state.Complete())
				}
			}
			say("a", false, set("a", ""))
			say("", false, "") // cut in the snapshot, it begins again
			say("b", true, set("b", ""), synced)
			say("b c", true, set("c", ""), "") // in a batch
			say("b c d e", true, set("d", second), set("e", ""), "", `{"type":"message","topic":"prices","data":"no state has one"}`,
				`{"type":"gap","topic":"prices"}`)
			if err := state.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			say("", false, `{"type":"reset","topic":"prices","reason":"fork","epoch":"0000000000000002"}`, "")
			want := []session.Follow{
				{Topic: "prices", State: true}, {Topic: "prices", State: true},
				{Topic: "prices", State: true, Since: first}, {Topic: "prices", State: true, Since: second}, {Topic: "prices", State: true},
			}
			if got := slices.Concat(server.asked...); !slices.Equal(got, want) {
				t.Errorf("asked for %+v", got)
			}
			s.close(c)
		})
	})
}

// TestStateThatIsNone: a log is refused for good, and a server without states isn't asked.
func TestStateThatIsNone(t *testing.T) {
	t.Run("a log", func(t *testing.T) {
		server := &speaker{}
		answer := `[{"topic":"prices","error":{"code":"wrong_kind","reason":"a log","retry":"never"}}]`
		scripted(t, server.answer(WebSocket, []string{answer}), func(t *testing.T, s *script) {
			server.say = make(chan string)
			c := s.connect(Options{Transport: WebSocket})
			state, err := c.State("prices")
			if err != nil {
				t.Fatal(err)
			}
			if err := state.Ready(t.Context()); !errors.Is(err, push.CodeWrongKind) || !errors.Is(state.Err(), push.CodeWrongKind) {
				t.Errorf("Ready: %v, Err: %v", err, state.Err())
			}
			<-state.Done()
			s.close(c)
		})
	})
	t.Run("an old server", func(t *testing.T) {
		scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			socketed(w, r, func(conn *websocket.Conn) {
				write(conn, hello)
				listen(conn, func(r protocol.Request) { t.Errorf("the client says %+v", r) })
			})
		}, func(t *testing.T, s *script) {
			c := s.connect(Options{Transport: WebSocket})
			state, err := c.State("prices")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := state.Ready(ctx); !errors.Is(err, push.CodeUnsupported) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Ready: %v", err)
			}
			s.close(c)
		})
	})
}

// TestStatesAndLogsShareAStream: a number of recent messages is for logs alone.
func TestStatesAndLogsShareAStream(t *testing.T) {
	type topics = []protocol.Follow
	a, s := cursor.Format("a", broker.Position{Epoch: 1, Offset: 1}), cursor.Format("s", broker.Position{Epoch: 1, Offset: 1})
	for query, asked := range map[string]topics{
		"recent=7&state=s&topic=a&v=1":                           {{Topic: "s", State: true}, {Topic: "a", Recent: 7}},
		"recent=7&since=" + a + "." + s + "&state=s&topic=a&v=1": {{Topic: "a", Since: a, Recent: 7}, {Topic: "s", State: true, Since: s}},
		"state=s&state=t&v=1":                                    {{Topic: "s", State: true}, {Topic: "t", State: true}},
	} {
		if got := streamQuery(asked); got != query {
			t.Errorf("%s, want %s", got, query)
		}
	}
	server := &speaker{}
	scripted(t, server.answer(EventStream, []string{"[]"}), func(t *testing.T, s *script) {
		server.say = make(chan string)
		c := s.connect(Options{Transport: EventStream})
		if _, err := c.State("prices"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Subscribe("a", SubscribeOptions{Recent: 5}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(server.asked); n != 1 && n != 2 || len(server.asked[n-1]) != 2 {
			t.Errorf("asked for %+v", server.asked)
		}
		s.close(c)
	})
}

func TestTopicIsAStateOrALog(t *testing.T) {
	i := serveStates(t)
	c := connect(t, i.url(), Options{})
	state, err := c.State("s/a")
	if err != nil || state.Topic() != "s/a" {
		t.Fatal(err)
	}
	if _, err := c.Subscribe("s/a"); !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("the same as a log: %v", err)
	}
	if _, err := c.State("\n"); !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("no topic: %v", err)
	}
	state.Close()
	if _, err := c.Subscribe("s/a"); err != nil {
		t.Errorf("after Close: %v", err)
	}
}
