package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// closeTimeout is how long a server may take to answer a close frame.
const closeTimeout = 2 * time.Second

// socket is a WebSocket.
type socket struct {
	ctx      context.Context
	hard     context.Context
	conn     *websocket.Conn
	patience time.Duration
	frame    []byte
}

func (c *Client) openSocket(ctx context.Context, header http.Header) (link, *trouble) {
	s := &socket{ctx: ctx, hard: c.hard}
	o := &websocket.DialOptions{
		Header: header, Subprotocols: []string{protocol.Subprotocol}, MaxMessage: c.options.MaxFrame,
		CloseTimeout: closeTimeout, OnPing: s.ping,
	}
	if t, ok := c.poster.http.Transport.(*http.Transport); ok {
		o.DialContext, o.TLS = t.DialContext, t.TLSClientConfig
	}
	conn, _, err := websocket.Dial(ctx, c.base.JoinPath("ws").String(), o)
	if answer, ok := errors.AsType[*websocket.ResponseError](err); ok {
		body, _ := io.ReadAll(answer.Response.Body) // it is in memory
		t := status(answer.Response.StatusCode, answer.Response.Header, body)
		if t.foreign {
			t.err = fmt.Errorf("%w: %w", t.err, err)
		}
		return nil, t
	}
	if err != nil {
		return nil, broken(err)
	}
	if conn.Subprotocol() != protocol.Subprotocol {
		_ = conn.CloseNow()
		return nil, broken(errors.New("client: the server doesn't speak " + protocol.Subprotocol))
	}
	s.conn = conn
	return s, nil
}

// ping notes that the server lives.
func (s *socket) ping(conn *websocket.Conn, _ []byte) { s.expect(conn) }

func (s *socket) expect(conn *websocket.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(s.patience)) // a closed connection needs none
}

// errSilent is the end of a connection over which nothing comes.
var errSilent = errors.New("client: nothing was heard from the server for too long")

func (s *socket) read(patience time.Duration) ([]byte, *trouble) {
	s.patience = patience
	s.expect(s.conn)
	typ, message, err := s.conn.Reader(s.ctx)
	if err == nil && typ != websocket.Text {
		return nil, broken(errors.New("client: the server sent a binary message"))
	}
	s.frame = s.frame[:0]
	for err == nil {
		if len(s.frame) == cap(s.frame) {
			s.frame = append(s.frame, 0)[:len(s.frame)]
		}
		s.expect(s.conn)
		var n int
		n, err = message.Read(s.frame[len(s.frame):cap(s.frame)])
		s.frame = s.frame[:len(s.frame)+n]
	}
	switch {
	case err == io.EOF:
		return s.frame, nil
	case errors.Is(err, os.ErrDeadlineExceeded) && s.ctx.Err() == nil:
		return nil, broken(errSilent)
	default:
		return nil, closed(err)
	}
}

func (s *socket) write(frame []byte) error { return s.conn.Write(s.ctx, websocket.Text, frame) }

func (s *socket) close(polite bool) {
	if polite {
		stop := context.AfterFunc(s.hard, func() { _ = s.conn.CloseNow() })
		defer stop()
		_ = s.conn.Close(websocket.StatusNormal, "") // closed either way
	}
	_ = s.conn.CloseNow()
}
