package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

const patience = testaid.Patience

// dial connects as a client that offers compression.
func dial(t *testing.T, s *servetest.Server, header http.Header) (*websocket.Conn, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, s.URL+"/echo", &websocket.DialOptions{
		HTTPHeader: header, HTTPClient: s.Client,
		CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, response
}

func TestEverythingComesBack(t *testing.T) {
	for name, flags := range map[string][]string{"plain": nil, "deflate": {"-deflate"}, "takeover": {"-deflate", "-takeover"}} {
		t.Run(name, func(t *testing.T) {
			s := servetest.Start(t, run, flags...)
			conn, response := dial(t, s, http.Header{"Origin": {"https://elsewhere.example"}})
			if got := response.Header.Get("Sec-WebSocket-Extensions") != ""; got != (flags != nil) {
				t.Errorf("compressed: %t", got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, m := range []struct {
				typ  websocket.MessageType
				data []byte
			}{
				{websocket.MessageText, nil},
				{websocket.MessageText, []byte("grüß dich ☃")},
				{websocket.MessageBinary, []byte{0, 255, 0}},
				{websocket.MessageText, []byte(strings.Repeat("€", 100_000))},
				{websocket.MessageBinary, bytes.Repeat([]byte("0123456789abcdef"), 1<<20)}, // the 16 MiB that are allowed
			} {
				sent := make(chan error, 1)
				go func() { sent <- conn.Write(ctx, m.typ, m.data) }()
				typ, data, err := conn.Read(ctx)
				if err != nil || typ != m.typ || !bytes.Equal(data, m.data) {
					t.Fatalf("%v of %d bytes came back as %v of %d: %v", m.typ, len(m.data), typ, len(data), err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	s := servetest.Start(t, run, "-max-message", "1000")
	conn, _ := dial(t, s, nil)
	if err := conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Error(err)
	}
}

func TestStopClosesConnections(t *testing.T) {
	s := servetest.Start(t, run)
	idle, _ := dial(t, s, nil)
	midway, _ := dial(t, s, nil)
	w, err := midway.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat("x", 100_000))); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 2)
	for _, conn := range []*websocket.Conn{idle, midway} {
		go func() {
			_, _, err := conn.Read(context.Background())
			closed <- err
		}()
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-closed; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Error(err)
		}
	}
}

func TestPage(t *testing.T) {
	s := servetest.Start(t, run)
	for path, want := range map[string]string{"/": "<!doctype html>", "/page.js": "WebSocket", "/style.css": ":root", "/icon.svg": "<svg"} {
		if status, body := s.Do(t, http.MethodGet, path, ""); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := s.Do(t, http.MethodGet, "/echo", ""); status != http.StatusUpgradeRequired {
		t.Errorf("/echo by plain HTTP: %d", status)
	}
}

func TestStrangeHostNamesAreRefused(t *testing.T) {
	servetest.StrangeHostNamesAreRefused(t, run)
}
