package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
)

var errWriterClosed = errors.New("the writer of a message that has ended")

// messageWriter sends one message. It holds the connection's messageLock until
// it is closed.
type messageWriter struct {
	conn *Conn
	ctx  context.Context
	buf  *writeBuffer // room for a header, then data up to end
	end  int

	first    byte      // of the next frame: the opcode and RSV1, or a continuation's zero
	begun    bool      // a frame was sent, or later messages would refer to this one
	deflater *deflater // if the message is compressed
	err      error
}

func (w *messageWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && w.err == nil {
		if w.end == len(w.buf) {
			w.flush(false)
			continue
		}
		k := copy(w.buf[w.end:], p[n:])
		n += k
		w.end += k
	}
	return n, w.err
}

// Close ends the message and sends what is left of it.
func (w *messageWriter) Close() error {
	if w.buf == nil {
		return w.err
	}
	if w.err == nil {
		w.flush(true)
	}
	err := w.err
	giveBuffer(w.buf)
	if w.deflater != nil {
		w.deflater.give()
	}
	w.buf, w.deflater, w.err = nil, nil, errWriterClosed
	w.conn.messageLock.unlock()
	return err
}

// flush sends what has been gathered as a frame. A message that ends before
// the buffer was full goes out whole, just as by Conn.Write.
func (w *messageWriter) flush(final bool) {
	if err := w.send(final); err != nil {
		if w.begun && !errors.Is(err, net.ErrClosed) { // else it is closed already, or about to be
			w.conn.drop(false) // the message can't be completed
		}
		w.err = fmt.Errorf("websocket: write: %w", err)
	}
	w.end = maxServerHeader
}

func (w *messageWriter) send(final bool) error {
	c := w.conn
	data := w.buf[maxServerHeader:w.end]
	if final && !w.begun && w.deflater == nil {
		return c.writeMessage(w.ctx, MessageType(w.first), data)
	}
	frame := w.buf[:w.end]
	if c.deflate.on {
		if w.deflater == nil {
			w.deflater = takeDeflater(c.deflate.sendBits, c.sentWindow, len(data))
			w.first |= bitRSV1
		}
		w.deflater.write(data)
		c.rememberSent(data)
		w.begun = w.begun || c.deflate.sendTakeover
		if final {
			w.deflater.flush()
		}
		frame = w.deflater.out
		if !final && len(frame) < writeBufferSize/2 {
			return nil
		}
	}
	first := w.first
	if final {
		first |= bitFin
	}
	if err := c.writeFrame(w.ctx, sealFrame(frame, first)); err != nil {
		return err
	}
	w.begun = true
	w.first = byte(opContinuation)
	if w.deflater != nil {
		w.deflater.clear()
	}
	return nil
}
