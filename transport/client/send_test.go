package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

func TestSendIsAnswered(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		received := make(chan push.Inbound, 1)
		i := serve(t, "", push.Options{Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			received <- in
			switch in.Event {
			case "no":
				return push.Reply{}, push.NewError(push.CodeConflict, "not twice", nil)
			case "nothing":
				return push.Reply{}, nil
			}
			return push.Reply{Data: in.Data, Encoding: in.Encoding}, nil
		}}, nil)
		c := connect(t, i.url(), Options{Transport: way})
		for _, m := range []push.Message{
			{Topic: "a", Data: []byte("hello")},
			{Topic: "ä b", ID: "mine", Event: "typing", Data: []byte(`{"a":[1.50]}`), Encoding: push.EncodingJSON},
			{Topic: "a", Data: []byte{0, 255}, Encoding: push.EncodingBinary},
		} {
			reply, err := c.Send(patience(t), m)
			if err != nil || string(reply.Data) != string(m.Data) || reply.Encoding != m.Encoding {
				t.Errorf("the reply to %+v is %+v, %v", m, reply, err)
			}
			in := <-received
			if in.Topic != m.Topic || in.Event != m.Event || m.ID != "" && in.ID != m.ID || in.ID == "" {
				t.Errorf("%+v arrived as %+v", m, in)
			}
		}
		if reply, err := c.Send(patience(t), push.Message{Topic: "a", Event: "nothing"}); err != nil || reply.Data != nil {
			t.Errorf("no reply: %+v, %v", reply, err)
		}
		<-received
		_, err := c.Send(patience(t), push.Message{Topic: "a", Event: "no"})
		if e, ok := errors.AsType[*push.Error](err); !ok || e.Code != push.CodeConflict || e.Reason != "not twice" {
			t.Errorf("a refusal: %v", err)
		}
		<-received
		for name, m := range map[string]push.Message{
			"no topic": {}, "a key": {Topic: "a", Key: "k"}, "a header": {Topic: "a", Header: map[string]string{"a": "b"}},
			"not UTF-8": {Topic: "a", Data: []byte{255}}, "no JSON": {Topic: "a", Data: []byte("{"), Encoding: push.EncodingJSON},
		} {
			if _, err := c.Send(patience(t), m); !errors.Is(err, push.CodeBadRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := c.Close(patience(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(patience(t), push.Message{Topic: "a"}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestSendIsRepeatedWithItsID has a connection that ends before the answer.
func TestSendIsRepeatedWithItsID(t *testing.T) {
	var ids []string
	scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			listen(conn, func(r protocol.Request) {
				ids = append(ids, r.Message)
				switch n {
				case 0:
					_ = conn.CloseNow()
				case 1:
					if len(ids) == 2 {
						write(conn, fmt.Sprintf(`{"type":"error","id":%d,"code":"rate_limited","reason":"","retry":"later","after":7000}`, r.ID))
						return
					}
					write(conn, fmt.Sprintf(`{"type":"reply","id":%d,"data":"done"}`, r.ID))
				}
			})
		})
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{Transport: WebSocket, MinBackoff: time.Millisecond})
		began := time.Now()
		reply, err := c.Send(t.Context(), push.Message{Topic: "a"})
		if err != nil || string(reply.Data) != "done" {
			t.Errorf("%+v, %v", reply, err)
		}
		if len(ids) != 3 || ids[0] == "" || len(slices.Compact(ids)) != 1 {
			t.Errorf("the IDs are %q", ids)
		}
		if d := time.Since(began); d < 7*time.Second || d > 8*time.Second {
			t.Errorf("it took %v", d)
		}
		s.close(c)
	})
}

func TestSendEndsWithItsContext(t *testing.T) {
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			var work sync.WaitGroup
			work.Go(func() {
				for conn.Write(context.Background(), websocket.Text, protocol.Ping()) == nil {
					time.Sleep(time.Second)
				}
			})
			listen(conn, nil)
			work.Wait()
		})
	}, func(t *testing.T, s *script) {
		c := s.connect(Options{})
		began := time.Now()
		_, err := c.Send(t.Context(), push.Message{Topic: "a"})
		if !errors.Is(err, push.CodeTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errTest)
		if _, err := c.Send(ctx, push.Message{Topic: "a"}); !errors.Is(err, errTest) {
			t.Errorf("a context that has ended: %v", err)
		}
		// As many as wait for answers, and those that wait for their turn.
		var work sync.WaitGroup
		for range maxSends + 10 {
			work.Go(func() {
				if _, err := c.Send(t.Context(), push.Message{Topic: "a"}); !errors.Is(err, ErrClosed) {
					t.Errorf("while the client is closed: %v", err)
				}
			})
		}
		synctest.Wait()
		if c.mu.Lock(); len(c.sends) != maxSends {
			t.Errorf("%d wait", len(c.sends))
		}
		c.mu.Unlock()
		s.close(c)
		work.Wait()
	})
}
