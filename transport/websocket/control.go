package websocket

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
)

// AppendPing appends a ping, encoded as servers send it, with at most 125 bytes of
// payload. It can be given to [Conn.WriteFrames] as messages can.
func AppendPing(dst, payload []byte) []byte { return appendControl(dst, opPing, payload) }

// appendControl appends a control frame with at most 125 bytes of payload.
func appendControl(dst []byte, op opcode, payload []byte) []byte {
	return append(append(dst, bitFin|byte(op), byte(len(payload))), payload...)
}

// handleControl acts on a control frame. The payload is only lent.
func (c *Conn) handleControl(op opcode, payload []byte) error {
	switch op {
	case opPing:
		if c.opts.onPing != nil {
			c.opts.onPing(c, payload)
		}
		c.in.pongs = appendControl(c.in.pongs, opPong, payload)
	case opPong:
		if c.opts.onPong != nil {
			c.opts.onPong(c, payload)
		}
		if c.in.handled && !c.in.open {
			c.handler.Pong()
		}
		c.pings.answered(payload)
	case opClose:
		return c.answerClose(payload)
	default: // data frames don't come here
	}
	return nil
}

// flushPongs answers the pings that have come since it was called last, in one
// write. It is called before every wait for the peer, so that what is gathered
// is never more than one read buffer held. readLock is held.
func (c *Conn) flushPongs() {
	if len(c.in.pongs) == 0 {
		return
	}
	// A pong that can't be sent isn't missed: either the connection is gone,
	// or the peer has stopped reading.
	_ = c.writeFrame(context.Background(), c.in.pongs)
	c.in.pongs = nil
}

// Ping sends a ping and waits for its pong (RFC 6455 section 5.5.2), which
// proves that the peer is there and reading. It needs another goroutine in Read.
// When ctx ends first, the connection isn't affected.
func (c *Conn) Ping(ctx context.Context) error {
	id, answered := c.pings.add()
	defer c.pings.remove(id)
	payload := binary.BigEndian.AppendUint64(nil, id)
	if err := c.writeFrame(ctx, appendControl(nil, opPing, payload)); err != nil {
		return fmt.Errorf("websocket: ping: %w", err)
	}
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("websocket: ping: waiting for the pong: %w", context.Cause(ctx))
	case <-c.done.wait():
		return fmt.Errorf("websocket: ping: waiting for the pong: %w", net.ErrClosed)
	}
}

// WritePing sends a ping with up to 125 bytes of payload and doesn't wait.
// OnPong is called with the answer. Waiting for it costs nothing, so that a server can
// check many connections.
func (c *Conn) WritePing(payload []byte) error {
	err := errors.New("payload over 125 bytes")
	if len(payload) <= maxControlPayload {
		err = c.writeFrame(context.Background(), appendControl(nil, opPing, payload))
	}
	if err != nil {
		return fmt.Errorf("websocket: write ping: %w", err)
	}
	return nil
}

// waitingPings matches pongs with the calls of Ping that wait for them.
type waitingPings struct {
	mu      sync.Mutex // never held during I/O
	last    uint64
	waiting map[uint64]chan struct{}
}

func (w *waitingPings) add() (id uint64, answered <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[uint64]chan struct{}{}
	}
	w.last++
	ch := make(chan struct{})
	w.waiting[w.last] = ch
	return w.last, ch
}

func (w *waitingPings) remove(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, id)
}

// answered wakes the call that sent the ping which a pong answers, and those that sent
// one before it, since a peer may answer only the latest (RFC 6455 section 5.5.3). Any other
// pong is unsolicited, which is allowed and means nothing.
func (w *waitingPings) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[id] == nil {
		return
	}
	for other, ch := range w.waiting {
		if other <= id {
			close(ch)
			delete(w.waiting, other)
		}
	}
}
