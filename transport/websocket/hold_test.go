package websocket

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHeldAnswerGoesWithTheFirstWrite, whichever that is, and once.
func TestHeldAnswerGoesWithTheFirstWrite(t *testing.T) {
	first := AppendFrame(nil, Text, []byte("hello"))
	for name, write := range map[string]func(c *Conn) error{
		"WriteFrames": func(c *Conn) error { return c.WriteFrames([][]byte{first}) },
		"Write":       func(c *Conn) error { return c.Write(context.Background(), Text, []byte("hello")) },
		"TryWriteFrames": func(c *Conn) error {
			left, all, err := c.TryWriteFrames([][]byte{first})
			if left > 0 || !all {
				t.Errorf("%d are left, all %v", left, all)
			}
			return err
		},
	} {
		for _, room := range []int64{0, 10, 1000} {
			c, below := narrowConn(room)
			answer := []byte("HTTP/1.1 101 Switching Protocols\r\n\r\n")
			c.unsent, c.held = bytes.Clone(answer), true
			if name == "TryWriteFrames" && room < 1000 {
				if _, all, err := c.TryWriteFrames([][]byte{first}); all || err != nil {
					t.Fatalf("room for %d: all %v, %v", room, all, err)
				}
				if err := c.WriteFrames(nil); err != nil {
					t.Fatal(err)
				}
			} else if err := write(c); err != nil {
				t.Fatal(err)
			}
			if want := append(answer, first...); !bytes.Equal(below.got.Bytes(), want) || c.held {
				t.Errorf("%s, room for %d: %q", name, room, below.got.Bytes())
			}
		}
	}
}

// TestHeldAnswerIsOneCall has the answer and a frame written to the kernel in one call.
func TestHeldAnswerIsOneCall(t *testing.T) {
	c, below := narrowConn(1000)
	c.unsent, c.held = []byte("answer "), true
	if _, all, err := c.TryWriteFrames([][]byte{[]byte("a "), []byte("b")}); !all || err != nil {
		t.Fatal(all, err)
	}
	if got := below.got.String(); got != "answer a b" || below.calls.Load() != 1 {
		t.Errorf("%q in %d calls", got, below.calls.Load())
	}
}

func TestHeldAnswerAndTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		end      func(c *Conn) error
		accepted bool
	}{
		"Close sends it":       {func(c *Conn) error { return c.Close(StatusPolicyViolation, "no") }, true},
		"CloseNow sends none":  {(*Conn).CloseNow, false},
		"Ping is a write, too": {func(c *Conn) error { return errors.Join(c.WritePing(nil), c.Close(StatusPolicyViolation, "no")) }, true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := Accept(w, r, &AcceptOptions{HoldAnswer: true})
			if err != nil {
				t.Error(err)
				return
			}
			_ = test.end(c)
		}))
		c, _, err := Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
		if (err == nil) != test.accepted {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			var closed *CloseError
			if _, _, err := c.Read(t.Context()); !errors.As(err, &closed) || closed.Code != StatusPolicyViolation {
				t.Errorf("%s: %v", name, err)
			}
			_ = c.CloseNow()
		}
		server.Close()
	}
}
