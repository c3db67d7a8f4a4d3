package main

import (
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/tidewire/tidewire/transport/websocket"
)

// echo is the handler. Its connections end with ctx.
type echo struct {
	ctx         context.Context
	cancel      context.CancelFunc
	opts        *websocket.AcceptOptions
	connections sync.WaitGroup
}

func newEcho(opts *websocket.AcceptOptions) *echo {
	ctx, cancel := context.WithCancel(context.Background())
	return &echo{ctx: ctx, cancel: cancel, opts: opts}
}

// stop makes every connection close properly, which takes no longer than its
// CloseTimeout.
func (e *echo) stop(context.Context) error {
	e.cancel()
	return nil
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.connections.Add(1)
	defer e.connections.Done()
	conn, err := websocket.Accept(w, r, e.opts)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	for err == nil {
		err = e.message(conn)
	}
	if e.ctx.Err() != nil {
		_ = conn.Close(websocket.StatusGoingAway, "the server stops") // nobody is left to tell
	}
}

// buffers are held only while a message passes.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// message sends one message back as it comes in, so that a large one never has
// to be held as a whole.
func (e *echo) message(conn *websocket.Conn) error {
	typ, from, err := conn.Reader(e.ctx)
	if err != nil {
		return err
	}
	to, err := conn.Writer(context.Background(), typ)
	if err != nil {
		return err
	}
	buffer := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buffer)
	if _, err := io.CopyBuffer(to, from, buffer[:]); err != nil {
		return err // to stays open: a message in part must not look whole
	}
	return to.Close()
}
