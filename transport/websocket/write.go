package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// writeBufferSize is what is joined to one write call at most.
	writeBufferSize = 16 << 10
	// writeChunk is what the peer has WriteTimeout for.
	writeChunk = 128 << 10
)

type writeBuffer = [writeBufferSize]byte

var writeBuffers = sync.Pool{New: func() any { return new(writeBuffer) }}

func takeBuffer() *writeBuffer  { return writeBuffers.Get().(*writeBuffer) }
func giveBuffer(b *writeBuffer) { writeBuffers.Put(b) }

var errMessageType = errors.New("a message is Text or Binary")

// Write sends a message as a single frame, compressed if that was agreed on and
// pays. It waits for its turn until ctx ends; when ctx ends or WriteTimeout
// passes in the middle of the frame, the connection is dropped, because the
// peer couldn't make sense of what would follow. data isn't kept. Text must be
// valid UTF-8.
func (c *Conn) Write(ctx context.Context, typ MessageType, data []byte) error {
	err := c.beginMessage(ctx, typ, 0)
	if err == nil {
		err = c.writeMessage(ctx, typ, data)
		c.messageLock.unlock()
	}
	if err != nil {
		return fmt.Errorf("websocket: write: %w", err)
	}
	return nil
}

func (c *Conn) beginMessage(ctx context.Context, typ MessageType, timeout time.Duration) error {
	if typ != Text && typ != Binary {
		return errMessageType
	}
	return c.acquire(ctx, &c.messageLock, timeout)
}

func (c *Conn) writeMessage(ctx context.Context, typ MessageType, data []byte) error {
	first := bitFin | byte(typ)
	if c.deflate.on && len(data) >= c.opts.threshold {
		d := takeDeflater(c.deflate.sendBits, c.sentWindow, len(data))
		defer d.give()
		d.write(data)
		d.flush()
		if len(d.out)-maxServerHeader < len(data) {
			err := c.writeFrame(ctx, sealFrame(d.out, first|bitRSV1))
			if err == nil { // else the peer doesn't know it
				c.rememberSent(data)
			}
			return err
		}
	}

	buf := takeBuffer()
	defer giveBuffer(buf)
	b := appendFrameHeader(buf[:0], first, len(data))
	n := copy(buf[len(b):], data)
	b = buf[:len(b)+n]
	if n < len(data) {
		return c.writeFrame(ctx, b, data[n:])
	}
	return c.writeFrame(ctx, b)
}

// rememberSent extends the window that later messages may refer to. messageLock
// is held.
func (c *Conn) rememberSent(data []byte) {
	if c.deflate.sendTakeover {
		c.sentWindow = slideWindow(c.sentWindow, data, 1<<c.deflate.sendBits)
	}
}

// WriteFrames sends messages that [AppendFrame] has encoded. Each element holds
// one or more whole messages and is sent as it is; it isn't changed and not kept,
// so that many connections can share it. Small elements are joined to one write
// call, a single one is written without copying; a client's connection masks a
// copy. It waits at most WriteTimeout for its turn, and then fails without having
// sent anything. When the peer doesn't take the frames in WriteTimeout, the
// connection is dropped.
func (c *Conn) WriteFrames(frames [][]byte) error {
	err := c.acquire(context.Background(), &c.messageLock, c.opts.writeTimeout)
	if err == nil {
		err = c.writeFrame(context.Background(), frames...)
		c.messageLock.unlock()
	}
	if err != nil {
		return fmt.Errorf("websocket: write frames: %w", err)
	}
	return nil
}

// TryWriteFrames is [Conn.WriteFrames] as far as the kernel takes the frames without
// waiting. It begins with as many as it can and returns how many are left; all reports
// whether everything has been handed to the kernel. What the kernel didn't take of the
// frames before those that are left is kept, and goes out before anything else is
// written: at most what is joined to one write call, or the rest of one frame, whose
// bytes nobody may change until then. An error drops the connection.
//
// It begins with no frame if another write is under way, and never if the connection
// isn't [Conn.Nonblocking] or is a client's: then WriteFrames has to send them.
func (c *Conn) TryWriteFrames(frames [][]byte) (left int, all bool, err error) {
	if c.socket == nil || c.client {
		return len(frames), false, nil
	}
	if taken, _ := c.messageLock.try(false); !taken {
		return len(frames), false, nil
	}
	defer c.messageLock.unlock()
	if taken, _ := c.frameLock.try(false); !taken {
		return len(frames), false, nil
	}
	defer c.frameLock.unlock()
	if c.closeSent {
		return 0, false, fmt.Errorf("websocket: write frames: %w", net.ErrClosed)
	}
	frames = c.withAnswer(frames)
	for c.unsent == nil && len(frames) > 0 { // else a pong or the like is to go first
		n := joinable(frames)
		if err := c.tryParts(frames[:n]); err != nil {
			c.drop(false)
			return 0, false, fmt.Errorf("websocket: write frames: %w", err)
		}
		frames = frames[n:]
	}
	return len(frames), c.unsent == nil, nil
}

// withAnswer puts the answer to the handshake before parts, if that is held back. frameLock
// is held.
func (c *Conn) withAnswer(parts [][]byte) [][]byte {
	if !c.held {
		return parts
	}
	parts = append([][]byte{c.unsent}, parts...)
	c.unsent, c.held = nil, false
	return parts
}

// joinable is how many of the parts go into one write call: at least one.
func joinable(parts [][]byte) int {
	size := 0
	for i, part := range parts {
		if size += len(part); size > writeBufferSize {
			return max(1, i)
		}
	}
	return len(parts)
}

// tryParts writes what the kernel takes of parts that are joinable, and keeps the rest.
// frameLock is held.
func (c *Conn) tryParts(parts [][]byte) error {
	if len(parts) > 1 {
		return writeJoined(parts, c.trySocket)
	}
	p := parts[0]
	n, err := c.socket.TryWrite(p)
	if err == nil && n < len(p) {
		c.unsent = p[n:len(p):len(p)]
	}
	return err
}

// trySocket writes what the kernel takes of p, and keeps a copy of the rest. frameLock is
// held.
func (c *Conn) trySocket(p []byte) error {
	n := 0
	if c.unsent == nil && len(p) > 0 {
		var err error
		if n, err = c.socket.TryWrite(p); err != nil {
			return err
		}
	}
	if n < len(p) {
		c.unsent = append(c.unsent, p[n:]...)
	}
	return nil
}

// writeFrame writes whole frames, cut into parts anywhere, with nothing between
// them.
func (c *Conn) writeFrame(ctx context.Context, parts ...[]byte) error {
	if err := c.acquire(ctx, &c.frameLock, c.opts.writeTimeout); err != nil {
		return err
	}
	defer c.frameLock.unlock()
	if c.closeSent {
		return net.ErrClosed
	}
	release := c.writeDeadline.bind(ctx)
	err := c.writeParts(parts)
	release()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// writeParts writes what was left unsent, and then parts. frameLock is held.
func (c *Conn) writeParts(parts [][]byte) error {
	if c.client {
		return c.writeMasked(parts)
	}
	parts = c.withAnswer(parts)
	if unsent := c.unsent; unsent != nil {
		c.unsent = nil
		if err := c.writeBytes(unsent); err != nil {
			return err
		}
	}
	return writeJoined(parts, c.writeBytes)
}

// writeJoined writes parts, of which it joins what is small to as few calls of write as
// possible.
func writeJoined(parts [][]byte, write func([]byte) error) error {
	if len(parts) == 1 {
		return write(parts[0])
	}
	buf := takeBuffer()
	defer giveBuffer(buf)
	joined := buf[:0]
	for i, part := range parts {
		if len(joined)+len(part) > len(buf) {
			if err := write(joined); err != nil {
				return err
			}
			joined = buf[:0]
		}
		if alone := i == len(parts)-1 || len(part) > len(buf)/2; alone && len(joined) == 0 {
			if err := write(part); err != nil {
				return err
			}
			continue
		}
		joined = append(joined, part...)
	}
	return write(joined)
}

// writeBytes writes p, and drops the connection when that fails. frameLock is
// held.
func (c *Conn) writeBytes(p []byte) (err error) {
	n := 0
	if c.socket != nil && len(p) > 0 && !c.writeDeadline.passed() {
		n, err = c.socket.TryWrite(p) // most often that is all, and needs no timer
	}
	for p = p[n:]; len(p) > 0 && err == nil; p = p[n:] {
		if c.opts.writeTimeout > 0 {
			c.writeDeadline.move(time.Now().Add(c.opts.writeTimeout))
		}
		n, err = c.net.Write(p[:min(len(p), writeChunk)])
	}
	if err == nil {
		return nil
	}
	if c.dropped.Load() {
		return net.ErrClosed
	}
	c.drop(false)
	return err
}

// AppendCompressedFrame is [AppendFrame] with the payload compressed, if that makes the
// frame smaller. It refers to no other message, so that it is the same for every
// connection that [Conn.SharesCompressed].
func AppendCompressedFrame(dst []byte, typ MessageType, payload []byte) []byte {
	d := takeDeflater(maxWindowBits, nil, len(payload))
	defer d.give()
	d.write(payload)
	d.flush()
	if len(d.out)-maxServerHeader >= len(payload) {
		return AppendFrame(dst, typ, payload)
	}
	return append(dst, sealFrame(d.out, bitFin|bitRSV1|byte(typ))...)
}

// SharesCompressed reports whether frames of [AppendCompressedFrame] may be written to
// the connection: compression was agreed on, with the largest window, and without context
// takeover, by which later messages would refer to what only the peer has decompressed.
func (c *Conn) SharesCompressed() bool {
	return c.deflate.on && !c.deflate.sendTakeover && c.deflate.sendBits == maxWindowBits
}

// sealFrame turns b, whose first maxServerHeader bytes are room for a header,
// into a frame.
func sealFrame(b []byte, first byte) []byte {
	var room [maxServerHeader]byte
	header := appendFrameHeader(room[:0], first, len(b)-maxServerHeader)
	start := maxServerHeader - len(header)
	copy(b[start:], header)
	return b[start:]
}

// Writer returns a writer for one message, which is sent in fragments of 16 KiB
// as it grows. Closing the writer ends the message; no other can be sent until
// then. A caller that can't complete the message closes the connection
// in place of the writer. Pings and the like pass between the fragments. ctx applies to the
// writer as well: when it ends after a part has been sent, the connection is
// dropped.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if err := c.beginMessage(ctx, typ, 0); err != nil {
		return nil, fmt.Errorf("websocket: write: %w", err)
	}
	return &messageWriter{conn: c, ctx: ctx, first: byte(typ), buf: takeBuffer(), end: maxServerHeader}, nil
}
