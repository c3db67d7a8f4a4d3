package differential

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/websocket"
)

func TestMain(m *testing.M) { testaid.Main(m) }

const (
	maxMessage  = 1 << 16
	subprotocol = "chat"
)

// mode says what the client offers and the server takes.
type mode int

const (
	plain mode = iota
	noTakeover
	takeover
)

// read returns the next message. Its error is what the library says.
type read func() (text bool, data []byte, err error)

// server accepts a request, or answers it with why not.
type server struct {
	name   string
	accept func(w http.ResponseWriter, r *http.Request, m mode) (read, func(), error)
}

var ours = server{"tidewire", func(w http.ResponseWriter, r *http.Request, m mode) (read, func(), error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol},
		CheckOrigin:  websocket.AnyOrigin,
		Compression:  websocket.CompressionMode(m),
		MaxMessage:   maxMessage,
	})
	if err != nil {
		return nil, nil, err
	}
	return func() (bool, []byte, error) {
		typ, data, err := conn.Read(context.Background())
		return typ == websocket.Text, data, err
	}, func() { conn.CloseNow() }, nil
}}

// others are the servers to compare with. Gorilla's has no context takeover.
var others = []server{
	{"gorilla", func(w http.ResponseWriter, r *http.Request, m mode) (read, func(), error) {
		upgrader := gorilla.Upgrader{
			Subprotocols:      []string{subprotocol},
			CheckOrigin:       func(*http.Request) bool { return true },
			EnableCompression: m != plain,
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return nil, nil, err
		}
		conn.SetReadLimit(maxMessage)
		return func() (bool, []byte, error) {
			typ, data, err := conn.ReadMessage()
			return typ == gorilla.TextMessage, data, err
		}, func() { conn.Close() }, nil
	}},
	{"coder", func(w http.ResponseWriter, r *http.Request, m mode) (read, func(), error) {
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{
			Subprotocols:       []string{subprotocol},
			InsecureSkipVerify: true,
			CompressionMode: map[mode]coder.CompressionMode{
				plain: coder.CompressionDisabled, noTakeover: coder.CompressionNoContextTakeover, takeover: coder.CompressionContextTakeover,
			}[m],
		})
		if err != nil {
			return nil, nil, err
		}
		conn.SetReadLimit(maxMessage)
		return func() (bool, []byte, error) {
			typ, data, err := conn.Read(context.Background())
			return typ == coder.MessageText, data, err
		}, func() { conn.CloseNow() }, nil
	}},
}

// outcome is what came of a connection.
type outcome struct {
	status     int         // of the HTTP answer
	answer     http.Header // to a handshake that was accepted
	messages   []string    // delivered to the application, "text …" or "binary …"
	pongs      []string
	closeCode  int    // that was sent; 0 without a close frame, 1005 for one without code
	refusal    string // by ours: the rule that was broken, else ""
	err        error  // what the library says
	unfinished error  // what the server wrote makes no sense
}

func (o outcome) accepted() bool { return o.status == http.StatusSwitchingProtocols }

func (o outcome) String() string {
	return fmt.Sprintf("status %d, messages %.300q, pongs %.300q, close %d (%v)", o.status, o.messages, o.pongs, o.closeCode, o.err)
}

// run gives s a request and then the input, of which each read gets chunk bytes.
func (s server) run(request *http.Request, m mode, input []byte, chunk int) (o outcome) {
	conn := &script{input: input, chunk: max(chunk, 1)}
	w := &response{script: conn, header: http.Header{}}
	next, end, err := s.accept(w, request, m)
	if err != nil {
		o.status, o.err = w.status, err
		if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok {
			o.refusal = refused.Reason
		}
		return o
	}
	for err == nil {
		var text bool
		var data []byte
		if text, data, err = s.protected(next)(); err == nil {
			name := "binary "
			if text {
				name = "text "
			}
			o.messages = append(o.messages, name+string(data))
		}
	}
	o.err = err
	if errors.Is(err, errPanicked) {
		return o
	}
	end()
	if broken, ok := errors.AsType[*websocket.ProtocolError](err); ok {
		o.refusal = broken.Reason
	}
	o.unfinished = parse(&o, conn.sent())
	return o
}

var errPanicked = errors.New("panicked")

// protected turns a panic of another server into an error, so that one input can't end
// the search. Ours has to fail by it.
func (s server) protected(next read) read {
	if s.name == ours.name {
		return next
	}
	return func() (text bool, data []byte, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: %v", errPanicked, p)
			}
		}()
		return next()
	}
}

// parse adds to o what the server has sent.
func parse(o *outcome, sent []byte) error {
	br := bufio.NewReader(bytes.NewReader(sent))
	answer, err := http.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	o.status, o.answer = answer.StatusCode, answer.Header
	for {
		var head [2]byte
		if _, err := io.ReadFull(br, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		payload := make([]byte, head[1])
		if _, err := io.ReadFull(br, payload); err != nil || head[1] > 125 {
			return fmt.Errorf("a control frame of %d bytes: %w", head[1], err)
		}
		switch {
		case o.closeCode != 0:
			return errors.New("a frame after the close frame")
		case head[0] == 0x8A:
			o.pongs = append(o.pongs, string(payload))
		case head[0] == 0x88 && len(payload) == 0:
			o.closeCode = 1005
		case head[0] == 0x88 && len(payload) > 1:
			o.closeCode = int(binary.BigEndian.Uint16(payload))
		default:
			return fmt.Errorf("unexpected frame %x", head)
		}
	}
}

// handshake is a request that every server accepts, with an offer of compression
// that suits the mode.
func handshake(m mode) *http.Request {
	lines := "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		map[mode]string{
			noTakeover: "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
			takeover:   "Sec-WebSocket-Extensions: permessage-deflate\r\n",
		}[m] + "\r\n"
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(lines)))
	if err != nil {
		panic(err)
	}
	return request
}
