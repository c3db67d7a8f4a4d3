package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// TestOverhead counts, on raw sockets, the bytes that carry a message without ID, event and
// key on a topic of one letter, and holds them to what docs/protocol.md promises.
func TestOverhead(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewServer(transport.Routes(hub))
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	const object = `{"symbol":"EURUSD","bid":1.08312,"ask":1.08315,"time":1763715120123,"v":"ECN"}`
	messages := []struct {
		name    string
		message push.Message
		payload int // bytes that the data takes in a frame
	}{
		{"text of 128 bytes", push.Message{Data: []byte(strings.Repeat("x", 128))}, 128},
		{"JSON object of 78 bytes", push.Message{Data: []byte(object), Encoding: push.EncodingJSON}, 78},
		{"96 binary bytes", push.Message{Data: make([]byte, 96), Encoding: push.EncodingBinary}, 128},
	}
	clients := []struct {
		name, headers string
		most          int // bytes beside the payload
		read          func(*bufio.Reader) (int, error)
	}{
		{"a WebSocket", "Sec-WebSocket-Protocol: tidewire.v1\r\n", 80, readFrame},
		{"a WebSocket without the subprotocol", "", 80, readFrame},
		{"an event stream, beside its id", "", 80, readEvent},
	}
	for _, client := range clients {
		path, upgrade := "/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		if strings.Contains(client.name, "stream") {
			path, upgrade = "/sse", ""
		}
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "GET %s?topic=a HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", path, server.Listener.Addr(), upgrade, client.headers)
		in := bufio.NewReader(conn)
		for line := ""; line != "\r\n"; {
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.read(in); err != nil { // the welcome
			t.Fatal(err)
		}
		for _, m := range messages {
			m.message.Topic = "a"
			if _, err := hub.Publish(t.Context(), m.message); err != nil {
				t.Fatal(err)
			}
			size, err := client.read(in)
			if err != nil {
				t.Fatal(err)
			}
			overhead := size - m.payload
			t.Logf("%s: %s takes %d bytes, %d beside the payload", client.name, m.name, size, overhead)
			most := client.most
			if m.message.Encoding == push.EncodingBinary {
				most += len(`"encoding":"base64",`)
			}
			if overhead > most {
				t.Errorf("%s: %s takes %d bytes beside the payload", client.name, m.name, overhead)
			}
		}
	}
}

// readFrame reads a frame of a server (RFC 6455 section 5.2) and returns its length.
func readFrame(in *bufio.Reader) (int, error) {
	var header [4]byte
	if _, err := io.ReadFull(in, header[:2]); err != nil {
		return 0, err
	}
	size, length := int(header[1]), 2
	if size == 126 {
		if _, err := io.ReadFull(in, header[2:]); err != nil {
			return 0, err
		}
		size, length = int(header[2])<<8|int(header[3]), 4
	}
	n, err := in.Discard(size)
	return length + n, err
}

// readEvent reads an event and returns its length without its id.
func readEvent(in *bufio.Reader) (size int, err error) {
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == "\n" {
			return size + len(line), err
		}
		if !strings.HasPrefix(line, "id: ") {
			size += len(line)
		}
	}
}
