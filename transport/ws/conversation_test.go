package ws_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/ws"
)

// talk is a connection in the subprotocol, written and read as text.
type talk struct {
	t    *testing.T
	hub  *push.Hub
	conn *websocket.Conn
}

func newTalk(t *testing.T, options push.Options, query string, subprotocols ...string) *talk {
	t.Helper()
	return newTalkOver(t, ws.Options{MaxFrame: 4096}, options, query, subprotocols...)
}

func newTalkOver(t *testing.T, below ws.Options, options push.Options, query string, subprotocols ...string) *talk {
	t.Helper()
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	hub := push.New(membroker.New(), options)
	server := httptest.NewServer(ws.New(hub, below))
	ctx, cancel := context.WithTimeout(context.Background(), testaid.Patience)
	transport := &http.Transport{}
	conn, _, err := websocket.Dial(ctx, server.URL+query, &websocket.DialOptions{
		Subprotocols: subprotocols, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.CloseNow()
		if err := hub.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		transport.CloseIdleConnections()
		server.Close()
	})
	return &talk{t, hub, conn}
}

func (c *talk) say(frame string) {
	c.t.Helper()
	if err := c.conn.Write(context.Background(), websocket.MessageText, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

// hear fails unless the next frame begins with one of these words.
func (c *talk) hear(want string) string {
	c.t.Helper()
	_, data, err := c.conn.Read(context.Background())
	if err != nil {
		c.t.Fatalf("waiting for %s: %v", want, err)
	}
	if !strings.HasPrefix(string(data), want) {
		c.t.Fatalf("got  %s\nwant %s", data, want)
	}
	return string(data)
}

// end fails unless the connection ends with this close code, after any frames.
func (c *talk) end(want websocket.StatusCode) {
	c.t.Helper()
	for {
		_, _, err := c.conn.Read(context.Background())
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != want {
			c.t.Errorf("ended with %d (%v), want %d", got, err, want)
		}
		return
	}
}

func (c *talk) publish(topic, data string) {
	c.t.Helper()
	if _, err := c.hub.Publish(context.Background(), push.Message{Topic: topic, Data: []byte(data)}); err != nil {
		c.t.Fatal(err)
	}
}

func TestConversation(t *testing.T) {
	c := newTalk(t, push.Options{
		Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic == "secret" {
				return push.CodeForbidden
			}
			return nil
		},
		Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			return push.Reply{Data: append([]byte(in.ID+" "), in.Data...)}, nil
		},
	}, "", protocol.Subprotocol)
	c.hear(`{"type":"welcome","protocol":"tidewire.v1","session":"`)
	c.say(`{"type":"subscribe","id":1,"topics":[{"topic":"a"},{"topic":"secret"}]}`)
	answer := c.hear(`{"type":"subscribed","id":1,"topics":[{"topic":"a","from":"now","cursor":"1`)
	if !strings.HasSuffix(answer, `{"topic":"secret","error":{"code":"forbidden","reason":"forbidden","retry":"never"}}]}`) {
		t.Errorf("answer is %s", answer)
	}
	c.publish("a", "1")
	c.hear(`{"type":"message","topic":"a"`)
	c.say(`{"type":"subscribe","id":2,"topics":[{"topic":"a"}]}`)
	c.hear(`{"type":"subscribed","id":2,"topics":[{"topic":"a","from":"cursor"}]}`)
	c.say(`{"type":"send","id":3,"topic":"a","message":"m","data":"hello"}`)
	c.hear(`{"type":"reply","id":3,"data":"m hello"}`)
	c.say(`{"type":"send","id":4,"topic":"secret","data":"hello"}`)
	c.hear(`{"type":"error","id":4,"code":"forbidden"`)
	c.say(`{"type":"ping"}`)
	c.hear(`{"type":"pong"}`)
	c.say(`{"type":"pong"}`)
	c.say(`{"type":"unsubscribe","id":5,"topics":["a","nobody"]}`)
	c.hear(`{"type":"unsubscribed","id":5,"topics":["a","nobody"]}`)
	c.publish("a", "2")
	c.say(`{"type":"subscribe","id":6,"topics":[{"topic":"a","since":"garbage"}]}`)
	c.hear(`{"type":"subscribed","id":6,"topics":[{"topic":"a","from":"cursor"}]}`)
	c.hear(`{"type":"gap","topic":"a","reason":"unknown_cursor","now":`)
}

func TestBrokenFramesEndTheConnection(t *testing.T) {
	tests := []struct {
		name string
		say  func(*talk)
		want websocket.StatusCode
	}{
		{"not JSON", func(c *talk) { c.say("hello") }, 4400},
		{"key twice", func(c *talk) { c.say(`{"type":"ping","type":"ping"}`) }, 4400},
		{"server-only type", func(c *talk) { c.say(`{"type":"message"}`) }, 4400},
		{"too large", func(c *talk) { c.say(`{"type":"` + strings.Repeat("x", 4096) + `"}`) }, 1009},
		{"binary", func(c *talk) {
			if err := c.conn.Write(context.Background(), websocket.MessageBinary, []byte(`{"type":"ping"}`)); err != nil {
				c.t.Fatal(err)
			}
		}, 1003},
		{"ten that can't be understood", func(c *talk) {
			for range 9 {
				c.say(`{"type":"dance","id":7}`)
				c.hear(`{"type":"error","id":7,"code":"bad_request"`)
			}
			c.say(`{"type":"dance","id":7}`)
		}, 4400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newTalk(t, push.Options{}, "", protocol.Subprotocol)
			c.hear(`{"type":"welcome"`)
			test.say(c)
			c.end(test.want)
		})
	}
}

func TestWithoutSubprotocol(t *testing.T) {
	t.Run("is receive-only", func(t *testing.T) {
		c := newTalk(t, push.Options{}, "?topic=a")
		c.hear(`{"type":"welcome"`)
		c.publish("a", "1")
		c.hear(`{"type":"message"`)
		c.say(`{"type":"ping"}`)
		c.end(1003)
	})
	t.Run("needs a topic", func(t *testing.T) {
		c := newTalk(t, push.Options{}, "")
		c.hear(`{"type":"error","code":"bad_request"`)
		c.end(4400)
	})
	t.Run("has one format", func(t *testing.T) {
		for _, subprotocols := range [][]string{nil, {protocol.Subprotocol}} {
			c := newTalk(t, push.Options{}, "?topic=a&format=raw", subprotocols...)
			if got := c.hear(`{"type":"error","code":"bad_request"`); !strings.Contains(got, "format=raw is for the event stream") {
				t.Errorf("refused with %s", got)
			}
			c.end(4400)
		}
	})
	t.Run("ends if no topic is left", func(t *testing.T) {
		c := newTalk(t, push.Options{Authorize: func(context.Context, push.Access) error { return push.CodeForbidden }}, "?topic=a")
		c.hear(`{"type":"welcome"`)
		c.hear(`{"type":"error","code":"forbidden"`)
		c.end(4403)
	})
	t.Run("other subprotocols are not chosen", func(t *testing.T) {
		c := newTalk(t, push.Options{}, "?topic=a", "chat.v1")
		if got := c.conn.Subprotocol(); got != "" {
			t.Errorf("chose %q", got)
		}
	})
}

func TestIdentityIsRefusedAfterTheUpgrade(t *testing.T) {
	c := newTalk(t, push.Options{Identify: func(*http.Request) (push.Identity, error) {
		return push.Identity{}, push.CodeUnauthenticated
	}}, "", protocol.Subprotocol)
	c.hear(`{"type":"error","code":"unauthenticated"`)
	c.end(4401)
}

// TestShutdownWaitsForThoseAtTheDoor has a client that is turned away while the hub
// shuts down, and doesn't answer the close frame.
func TestShutdownWaitsForThoseAtTheDoor(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	hub := push.New(membroker.New(), push.Options{Identify: func(*http.Request) (push.Identity, error) {
		close(entered)
		<-release
		return push.Identity{}, nil
	}})
	server := httptest.NewServer(ws.New(hub))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	done := make(chan error)
	go func() { done <- hub.Shutdown(context.Background()) }()
	testaid.Eventually(t, "Shutdown", hub.Draining)
	close(release)
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(testaid.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("after Shutdown the connection was still open: %v", err)
	}
}

// TestEndWhileTopicsAreAskedFor: a session may end before the topics of its URL are
// known, while its client says something.
func TestEndWhileTopicsAreAskedFor(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	hub := push.New(membroker.New(), push.Options{Authorize: func(context.Context, push.Access) error {
		close(asked)
		<-release
		return nil
	}})
	server := httptest.NewServer(ws.New(hub))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testaid.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	done := make(chan error)
	go func() { done <- hub.Shutdown(context.Background()) }()
	answered := false
	for b := make([]byte, 1); ; {
		if _, err := conn.Read(b); err != nil {
			break // the server has read all and closed
		}
		if b[0] == 0x88 && !answered { // a close frame: answered with a pong before it
			answered = true
			if _, err := conn.Write([]byte{0x8A, 0x80, 1, 2, 3, 4, 0x88, 0x80, 1, 2, 3, 4}); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
