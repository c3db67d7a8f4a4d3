package websocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/transport/internal/rawclient"
)

// dialServer connects to a server, and fails the test if that fails.
func dialServer(t testing.TB, server *httptest.Server, opts *DialOptions) *Conn {
	t.Helper()
	c, _, err := Dial(t.Context(), server.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// wantEcho sends a message and fails unless it comes back.
func wantEcho(t testing.TB, c *Conn, typ MessageType, data []byte) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- c.Write(t.Context(), typ, data) }()
	gotType, got, err := c.Read(t.Context())
	if err := errors.Join(err, <-sent); err != nil || gotType != typ || !bytes.Equal(got, data) {
		t.Fatalf("%v of %d bytes came back as %v of %d: %v", typ, len(data), gotType, len(got), err)
	}
}

// pair connects a client and a server in memory, as a handshake would have.
func pair(t testing.TB) (client, server *Conn) {
	near, far := net.Pipe()
	opts := (&AcceptOptions{MaxMessage: -1}).withDefaults().settings()
	client, server = newConn(near, nil, "", deflateParams{}, opts), newConn(far, nil, "", deflateParams{}, opts)
	client.client = true
	t.Cleanup(func() { client.CloseNow(); server.CloseNow() })
	return client, server
}

// TestClientSendsMaskedFrames looks at the bytes of every kind of frame: each is masked,
// with a key of its own.
func TestClientSendsMaskedFrames(t *testing.T) {
	near, far := net.Pipe()
	c := newConn(near, nil, "", deflateParams{}, (*DialOptions)(nil).withDefaults().settings())
	c.client = true
	big := strings.Repeat("0123456789", 7000)
	go func() {
		c.Write(t.Context(), Text, []byte("hello"))
		c.Write(t.Context(), Binary, []byte(big))
		w, _ := c.Writer(t.Context(), Text)
		io.WriteString(w, big[:20_000])
		w.Close()
		c.WriteFrames([][]byte{append(AppendFrame(nil, Text, []byte("a")), AppendFrame(nil, Text, nil)...), AppendPing(nil, []byte("p"))})
		c.WritePing([]byte("q"))
		c.WriteClose(StatusNormal, "bye")
		c.CloseNow()
	}()
	want := []string{"81 hello", "82 " + big, "1 " + big[:16374], "80 " + big[16374:20_000], "81 a", "81 ", "89 p", "89 q", "88 \x03\xe8bye"}
	keys := map[uint32]bool{}
	all, err := io.ReadAll(far)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(all) > 0 {
		h, size, err := parseFrameHeader(all, false, true)
		if err != nil || size == 0 {
			t.Fatalf("after %d frames: %v", len(got), err)
		}
		payload := all[size : size+int(h.length)]
		masked := bytes.Clone(payload)
		unmask(payload, h.key)
		if len(payload) > 16 && bytes.Equal(masked, payload) || keys[h.key] {
			t.Errorf("frame %d isn't masked by a key of its own", len(got))
		}
		keys[h.key] = true
		got = append(got, fmt.Sprintf("%x %s", all[0], payload))
		all = all[size+int(h.length):]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %.100q", got)
	}
}

// TestMaskedServerFrames end the connection with 1002, and a client says so masked.
func TestMaskedServerFrames(t *testing.T) {
	closed := make(chan string, 1)
	conn, _, err := overPipe(t, DialOptions{}, func(conn net.Conn, request *http.Request) {
		answer(conn, request, switching)
		go conn.Write(rawclient.Fin(rawclient.Text, "hello"))
		b := make([]byte, 100)
		n, _ := io.ReadAtLeast(conn, b, 8)
		h, size, err := parseFrameHeader(b[:n], false, true)
		unmask(b[size:n], h.key)
		closed <- fmt.Sprint(h.op, binary.BigEndian.Uint16(b[size:]), err)
		io.Copy(io.Discard, conn)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = conn.Read(t.Context())
	if broken, ok := errors.AsType[*ProtocolError](err); !ok || broken.Code != StatusProtocolError {
		t.Errorf("error %v", err)
	}
	if got := <-closed; got != fmt.Sprint(opClose, 1002, nil) {
		t.Errorf("the server got %s", got)
	}
}

// TestFramesWithTheAnswer: what the server sends in one piece with its answer isn't lost.
func TestFramesWithTheAnswer(t *testing.T) {
	conn, _, err := overPipe(t, DialOptions{}, func(conn net.Conn, request *http.Request) {
		var head bytes.Buffer
		answer(&head, request, switching)
		head.Write(AppendFrame(nil, Text, []byte("early")))
		conn.Write(head.Bytes())
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.Read(t.Context()); err != nil || string(data) != "early" {
		t.Errorf("read %q, %v", data, err)
	}
}

// TestClientAndServer has our two ends talk, by every mode of compression.
func TestClientAndServer(t *testing.T) {
	text := []byte(strings.Repeat(`{"id":17,"name":"Ünïcödé ☃","value":3.14}`, 5000))
	modes := []CompressionMode{CompressionOff, CompressionNoContextTakeover, CompressionContextTakeover}
	for _, ours := range modes {
		for _, theirs := range modes {
			t.Run(fmt.Sprint("client ", ours, " server ", theirs), func(t *testing.T) {
				agreed := make(chan deflateParams, 1)
				server := serve(t, &AcceptOptions{Compression: theirs, MaxMessage: 1 << 20}, func(c *Conn) {
					agreed <- c.deflate
					echoWhole(c)
				})
				c := dialServer(t, server, &DialOptions{Compression: ours, MaxMessage: 1 << 20, CompressionThreshold: 1})
				on, takeover := min(ours, theirs) != CompressionOff, min(ours, theirs) == CompressionContextTakeover
				want := deflateParams{on, takeover, takeover, map[bool]int{true: maxWindowBits}[on]}
				if got := <-agreed; got != want || c.deflate != want {
					t.Errorf("the server has %+v and the client %+v, want %+v", got, c.deflate, want)
				}
				for _, size := range []int{0, 1, 125, 126, 300, writeBufferSize - 14, writeBufferSize, 65_535, 65_536, 200_000} {
					wantEcho(t, c, Binary, text[:size])
				}
				for range 3 {
					wantEcho(t, c, Text, text[:len(text)/50])
				}
				if err := c.Close(4001, "bye"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestClientKeepsToTheWindow that the server has asked for.
func TestClientKeepsToTheWindow(t *testing.T) {
	data := noise(5000)
	data = append(data, data...) // refers to what is 5,000 bytes back, if it can
	for _, bits := range []int{9, 15} {
		got := make(chan int, 1)
		conn, _, err := overPipe(t, DialOptions{Compression: CompressionContextTakeover}, func(conn net.Conn, request *http.Request) {
			answer(conn, request, switching, fmt.Sprintf("Sec-WebSocket-Extensions:permessage-deflate; client_max_window_bits=%d", bits))
			b := bufio.NewReader(conn)
			head, _ := b.Peek(maxClientHeader)
			h, _, _ := parseFrameHeader(head, true, true)
			got <- int(h.length)
			io.Copy(io.Discard, b)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(t.Context(), Binary, data); err != nil {
			t.Fatal(err)
		}
		if n, small := <-got, bits == 15; (n < 8000) != small {
			t.Errorf("with a window of %d bits the message takes %d bytes", bits, n)
		}
		conn.CloseNow()
	}
}

// TestMaskingKeepsFramesWhole, however they lie in the buffer and in parts.
func TestMaskingKeepsFramesWhole(t *testing.T) {
	client, server := pair(t)
	data := noise(70_000)
	sizes := []int{0, 1, 125, 126, 16_360, 16_366, 16_370, 16_374, 16_384, 16_385, 32_768, 65_535, 65_536, 70_000}
	var one [][]byte
	var all []byte
	for _, size := range sizes {
		frame := AppendFrame(nil, Binary, data[:size])
		one, all = append(one, frame), append(all, frame...)
	}
	for _, parts := range [][][]byte{one, {all}} {
		sent := make(chan error, 1)
		go func() { sent <- client.WriteFrames(parts) }()
		for _, size := range sizes {
			if _, got, err := server.Read(t.Context()); err != nil || !bytes.Equal(got, data[:size]) {
				t.Fatalf("%d bytes came as %d: %v", size, len(got), err)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsNoFrameIsntMasked: it is the caller's mistake, and nobody else's problem.
func TestWhatIsNoFrameIsntMasked(t *testing.T) {
	for name, garbage := range map[string][]byte{
		"half a header": {0x81}, "half a length": {0x81, 127, 0}, "half a payload": {0x81, 5, 'x'}, "masked": rawclient.Fin(rawclient.Text, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			go io.Copy(io.Discard, server.net)
			wantErr(t, client.WriteFrames([][]byte{garbage}), errNotFrames)
			<-client.Done()
		})
	}
}

// TestTryWriteFramesIsForServers: a client begins with nothing.
func TestTryWriteFramesIsForServers(t *testing.T) {
	c := dialServer(t, serve(t, nil, func(c *Conn) { echoWhole(c) }), nil)
	frame := AppendFrame(nil, Text, []byte("x"))
	if left, all, err := c.TryWriteFrames([][]byte{frame, frame}); left != 2 || all || err != nil {
		t.Errorf("%d frames are left, all %v, %v", left, all, err)
	}
}

func TestClientPingsAndIsClosed(t *testing.T) {
	asked := make(chan struct{})
	server := serve(t, nil, func(c *Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		go func() {
			<-asked
			c.Close(StatusGoingAway, "later")
		}()
		c.Read(ctx)
	})
	c := dialServer(t, server, nil)
	pinged := make(chan error, 1)
	go func() {
		pinged <- c.Ping(t.Context())
		close(asked)
	}()
	_, _, err := c.Read(t.Context())
	if closed, ok := errors.AsType[*CloseError](err); !ok || *closed != (CloseError{StatusGoingAway, "later"}) {
		t.Errorf("error %v", err)
	}
	if err := <-pinged; err != nil {
		t.Error(err)
	}
}

// TestSharedCompressedFrames are the same for all connections that agreed on what they
// need; each goes on with messages of its own.
func TestSharedCompressedFrames(t *testing.T) {
	text := []byte(strings.Repeat("to be compressed ", 1000))
	frames := [][]byte{AppendCompressedFrame(nil, Text, text), AppendCompressedFrame([]byte{}, Text, []byte("x"))}
	if len(frames[0]) > len(text)/10 || !bytes.Equal(frames[1], AppendFrame(nil, Text, []byte("x"))) {
		t.Errorf("frames of %d and %d bytes", len(frames[0]), len(frames[1]))
	}
	for _, tt := range []struct {
		name           string
		server, client CompressionMode
		want           bool
	}{
		{"off", CompressionOff, CompressionContextTakeover, false},
		{"without takeover", CompressionNoContextTakeover, CompressionContextTakeover, true},
		{"without takeover by the client's wish", CompressionContextTakeover, CompressionNoContextTakeover, true},
		{"with takeover", CompressionContextTakeover, CompressionContextTakeover, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, &AcceptOptions{Compression: tt.server, CompressionThreshold: 1}, func(c *Conn) {
				if c.SharesCompressed() != tt.want {
					t.Errorf("shares: %v", !tt.want)
					return
				}
				for range 2 {
					c.Write(context.Background(), Text, text)
					if tt.want {
						c.WriteFrames(frames)
					}
				}
				c.Close(StatusNormal, "")
			})
			c := dialServer(t, server, &DialOptions{Compression: tt.client})
			want := []string{string(text), string(text)}
			if tt.want {
				want = []string{string(text), string(text), "x", string(text), string(text), "x"}
			}
			for i, message := range want {
				if _, got, err := c.Read(t.Context()); err != nil || string(got) != message {
					t.Fatalf("message %d has %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	for _, bits := range []int{9, 15} {
		c, _ := pipe(t, nil, deflateParams{on: true, sendBits: bits})
		if c.SharesCompressed() != (bits == maxWindowBits) {
			t.Errorf("a window of %d bits shares", bits)
		}
	}
}
