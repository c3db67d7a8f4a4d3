package ws

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestCompressedFanOut: who has agreed on compression gets what is worth it compressed,
// and all get the same messages.
func TestCompressedFanOut(t *testing.T) {
	const offer = "Sec-WebSocket-Extensions: permessage-deflate"
	tests := []struct {
		name    string
		options Options
		header  string
		want    string
	}{
		{"agreed", Options{Compression: true}, offer, "deflated text"},
		{"not offered", Options{Compression: true}, "X: y", "text"},
		{"a small window", Options{Compression: true}, offer + "; server_max_window_bits=9", "text"},
		{"off by default", Options{}, offer, "text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
			transport := New(hub, tt.options)
			server := httptest.NewServer(transport)
			defer server.Close()
			defer hub.Shutdown(context.Background())
			p := rawclient.Dial(t, server, tt.header, "Sec-WebSocket-Protocol: tidewire.v1")
			defer p.Close()
			if got := p.Next(); !strings.HasPrefix(got, `text {"type":"welcome"`) {
				t.Fatalf("got %q", got)
			}
			if _, err := p.Write(rawclient.Fin(rawclient.Text, `{"type":"subscribe","id":1,"topics":[{"topic":"a"}]}`)); err != nil {
				t.Fatal(err)
			}
			if got := p.Next(); !strings.HasPrefix(got, `text {"type":"subscribed"`) {
				t.Fatalf("got %q", got)
			}
			message := push.Message{Topic: "a", Data: []byte(strings.Repeat("to be compressed ", 100))}
			for range 3 {
				if _, err := hub.Publish(t.Context(), message); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := transport.Publish(t.Context(), message); err != nil { // past the broker, to both formats
				t.Fatal(err)
			}
			for range 4 {
				if got, _, _ := strings.Cut(p.Next(), " {"); got != tt.want && !strings.HasPrefix(got, tt.want+" ") {
					t.Errorf("got %.40q, want %s", got, tt.want)
				}
			}
			small := message
			small.Data = []byte("small")
			if _, err := transport.Publish(t.Context(), small); err != nil {
				t.Fatal(err)
			}
			if got := p.Next(); !strings.HasPrefix(got, `text {"type":"message"`) {
				t.Errorf("a small one came as %.40q", got)
			}
		})
	}
}

// TestCompressedMessageIsWhole reads what a client of the format gets.
func TestCompressedMessageIsWhole(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	defer hub.Shutdown(context.Background())
	transport := New(hub, Options{Compression: true})
	m := &push.Message{Topic: "a", ID: "1", Data: []byte(strings.Repeat("0123456789", 1000)), Position: broker.Position{Epoch: 1, Offset: 1, Tag: 1}}
	plain, packed := transport.Message(m), compressing{transport}.Message(m)
	if packed.Cursor != plain.Cursor || packed.Topic != plain.Topic || len(packed.Bytes) >= len(plain.Bytes)/10 {
		t.Errorf("%d bytes for %d, at %q", len(packed.Bytes), len(plain.Bytes), packed.Cursor)
	}
	if data := inflated(t, packed); !strings.Contains(string(plain.Bytes), data) || len(data) < 10_000 {
		t.Errorf("read %d bytes", len(data))
	}
}

// payload is that of the one WebSocket frame that a frame is.
func payload(t *testing.T, f *session.Frame) []byte {
	t.Helper()
	peer := rawclient.Conn{Buffer: bufio.NewReader(bytes.NewReader(f.Bytes))}
	_, payload, err := peer.Frame()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// inflated is the text of a compressed frame.
func inflated(t *testing.T, f *session.Frame) string {
	t.Helper()
	reader := flate.NewReader(io.MultiReader(bytes.NewReader(payload(t, f)), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	data, err := io.ReadAll(reader) // a flush leaves out its last four bytes (RFC 7692 section 7.2.1)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestStateFrames: each is the protocol's frame, and moves the cursor only if it says so.
func TestStateFrames(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	defer hub.Shutdown(context.Background())
	transport := New(hub, Options{Compression: true})
	at := broker.Position{Epoch: 1, Offset: 7, Tag: 2}
	moved := cursor.Format("a", at)
	small := []session.Change{{Op: broker.OpDelete, Key: "k"}}
	large := []session.Change{{Op: broker.OpSet, Key: "k", Version: 7, Data: []byte(strings.Repeat("0123456789", 100))}}
	for _, test := range []struct {
		name   string
		frame  *session.Frame
		cursor string
		want   []byte
	}{
		{"changes", transport.State("a", small, at), moved, protocol.State("a", small, moved)},
		{"part of a batch", transport.State("a", large, broker.Position{}), "", protocol.State("a", large, "")},
		{"few changes, to be compressed", compressing{transport}.State("a", small, at), moved, protocol.State("a", small, moved)},
		{"synced", transport.Synced("a", at), moved, protocol.Synced("a", 1, moved)},
		{"reset", transport.Reset("a", broker.GapFork, 1), "", protocol.Reset("a", broker.GapFork, 1)},
	} {
		if got := payload(t, test.frame); !bytes.Equal(got, test.want) || test.frame.Topic != "a" || test.frame.Cursor != test.cursor {
			t.Errorf("%s: %s of %q at %q; want %s at %q", test.name, got, test.frame.Topic, test.frame.Cursor, test.want, test.cursor)
		}
	}
	packed := compressing{transport}.State("a", large, at)
	if got, want := inflated(t, packed), protocol.State("a", large, moved); got != string(want) || packed.Cursor != moved || len(packed.Bytes) > len(want)/5 {
		t.Errorf("%d bytes are %s at %q", len(packed.Bytes), got, packed.Cursor)
	}
}
