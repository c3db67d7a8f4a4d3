package websocket_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	coder "github.com/coder/websocket"

	"github.com/tidewire/tidewire/transport/websocket"
)

// modes are the ways in which both sides may agree, or not, on compression.
var modes = []struct {
	name   string
	server websocket.CompressionMode
	client coder.CompressionMode
}{
	{"plain", websocket.CompressionOff, coder.CompressionContextTakeover},
	{"no takeover", websocket.CompressionNoContextTakeover, coder.CompressionContextTakeover},
	{"takeover", websocket.CompressionContextTakeover, coder.CompressionContextTakeover},
	{"takeover declined", websocket.CompressionContextTakeover, coder.CompressionNoContextTakeover},
}

func dial(t testing.TB, server websocket.CompressionMode, client coder.CompressionMode, handle func(*websocket.Conn)) *coder.Conn {
	t.Helper()
	var running sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Compression: server, MaxMessage: 16 << 20})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		handle(conn)
	}))
	t.Cleanup(func() { srv.Close(); running.Wait() })
	conn, _, err := coder.Dial(context.Background(), srv.URL, &coder.DialOptions{CompressionMode: client, CompressionThreshold: 1})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func copyMessage(c *websocket.Conn) error {
	ctx := context.Background()
	typ, r, err := c.Reader(ctx)
	if err != nil {
		return err
	}
	w, err := c.Writer(ctx, typ)
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = io.Copy(w, r)
	return err
}

// Autobahn's chapters 12 and 13: many messages of each size, by every mode.
func TestInteropSizes(t *testing.T) {
	text := strings.Repeat(`{"id":17,"name":"Ünïcödé ☃","value":3.14}`, 10_000)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			conn := dial(t, mode.server, mode.client, func(c *websocket.Conn) {
				for n := 0; ; n++ {
					if n%2 == 0 {
						if copyMessage(c) != nil {
							return
						}
						continue
					}
					typ, data, err := c.Read(context.Background())
					if err != nil || c.Write(context.Background(), typ, data) != nil {
						return
					}
				}
			})
			ctx := t.Context()
			for _, size := range []int{0, 1, 16, 64, 255, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
				for n := range 9 {
					typ, data := coder.MessageBinary, make([]byte, size)
					if n%3 == 0 {
						rand.NewChaCha8([32]byte{byte(n)}).Read(data)
					} else {
						copy(data, text[rng.IntN(len(text)-size):])
					}
					if n%3 == 1 {
						typ, data = coder.MessageText, bytes.ToValidUTF8(data, nil)
					}
					if err := conn.Write(ctx, typ, data); err != nil {
						t.Fatal(err)
					}
					gotType, got, err := conn.Read(ctx)
					if err != nil || gotType != typ || !bytes.Equal(got, data) {
						t.Fatalf("%v of %d bytes came back as %v of %d: %v", typ, len(data), gotType, len(got), err)
					}
				}
			}
			if err := conn.Close(coder.StatusNormalClosure, "done"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInteropLargeFragmented(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			conn := dial(t, mode.server, mode.client, func(c *websocket.Conn) {
				for copyMessage(c) == nil {
				}
			})
			ctx := t.Context()
			sent, sum := make(chan error, 1), sha256.New()
			go func() {
				w, err := conn.Writer(ctx, coder.MessageBinary)
				for n := 0; n < 5<<20 && err == nil; n += 100_000 {
					chunk := bytes.Repeat(fmt.Appendf(nil, "%d ", n), 100_000/len(fmt.Sprint(n, " ")))
					sum.Write(chunk)
					_, err = w.Write(chunk)
				}
				sent <- errors.Join(err, w.Close())
			}()
			_, r, err := conn.Reader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			back := sha256.New()
			if _, err := io.Copy(back, r); err != nil {
				t.Fatal(err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back.Sum(nil), sum.Sum(nil)) {
				t.Error("came back different")
			}
		})
	}
}

func TestInteropPingAndClose(t *testing.T) {
	closed := make(chan error, 1)
	conn := dial(t, websocket.CompressionOff, coder.CompressionDisabled, func(c *websocket.Conn) {
		pinged := make(chan error, 1)
		go func() { pinged <- c.Ping(context.Background()) }()
		_, _, err := c.Read(context.Background())
		closed <- err
		if err := <-pinged; err != nil {
			t.Error(err)
		}
	})
	ctx := conn.CloseRead(t.Context())
	for range 3 {
		if err := conn.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close(4001, "bye")
	var bye *websocket.CloseError
	if err := <-closed; !errors.As(err, &bye) || *bye != (websocket.CloseError{Code: 4001, Reason: "bye"}) {
		t.Error(err)
	}
}

func TestInteropServerCloses(t *testing.T) {
	result := make(chan error, 1)
	conn := dial(t, websocket.CompressionOff, coder.CompressionDisabled, func(c *websocket.Conn) {
		result <- c.Close(websocket.StatusServiceRestart, "back soon")
	})
	_, _, err := conn.Read(t.Context())
	var bye coder.CloseError
	if !errors.As(err, &bye) || bye.Code != 1012 || bye.Reason != "back soon" {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestInteropTooBig(t *testing.T) {
	conn := dial(t, websocket.CompressionNoContextTakeover, coder.CompressionContextTakeover, func(c *websocket.Conn) {
		c.Read(context.Background())
	})
	go conn.Write(t.Context(), coder.MessageBinary, make([]byte, 17<<20))
	_, _, err := conn.Read(t.Context())
	if coder.CloseStatus(err) != coder.StatusMessageTooBig {
		t.Error(err)
	}
}

// TestInteropDial has our client talk to another's server, by every mode.
func TestInteropDial(t *testing.T) {
	text := []byte(strings.Repeat(`{"id":17,"name":"Ünïcödé ☃","value":3.14}`, 5000))
	for _, server := range []coder.CompressionMode{coder.CompressionDisabled, coder.CompressionNoContextTakeover, coder.CompressionContextTakeover} {
		for _, client := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover} {
			t.Run(fmt.Sprint("client ", client, " server ", server), func(t *testing.T) {
				closed := make(chan error, 1)
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: server, CompressionThreshold: 1, Subprotocols: []string{"echo"}})
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.CloseNow()
					conn.SetReadLimit(-1)
					for {
						typ, data, err := conn.Read(r.Context())
						if err != nil {
							closed <- err
							return
						}
						if err := conn.Write(r.Context(), typ, data); err != nil {
							t.Error(err)
						}
					}
				}))
				defer srv.Close()
				c, _, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{
					Compression: client, CompressionThreshold: 1, MaxMessage: 1 << 20, Subprotocols: []string{"chat", "echo"},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				if c.Subprotocol() != "echo" {
					t.Errorf("subprotocol %q", c.Subprotocol())
				}
				for _, size := range []int{0, 1, 125, 126, 4096, 16384, 65535, 65536, 200_000} {
					if err := c.Write(t.Context(), websocket.Binary, text[:size]); err != nil {
						t.Fatal(err)
					}
					if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, text[:size]) {
						t.Fatalf("%d bytes came back as %d: %v", size, len(got), err)
					}
				}
				w, err := c.Writer(t.Context(), websocket.Text)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(text); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, text) {
					t.Fatalf("fragments came back as %d bytes: %v", len(got), err)
				}
				if err := c.Close(4001, "bye"); err != nil {
					t.Error(err)
				}
				if err := <-closed; coder.CloseStatus(err) != 4001 {
					t.Error(err)
				}
			})
		}
	}
}
