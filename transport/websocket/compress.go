package websocket

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// flushTail ends what a compressor flushes. It isn't sent (RFC 7692 section
	// 7.2.1).
	flushTail = "\x00\x00\xff\xff"
	// finalBlock is an empty last block: it makes a decompressor stop.
	finalBlock = "\x01\x00\x00\xff\xff"

	maxWindow = 1 << maxWindowBits
	// windowSlack is by how much a window grows before it is moved.
	windowSlack = 4 << 10
	// minDictionary is how much of the window even the smallest message refers to.
	minDictionary = 2 << 10
	// keepOutput is the largest output buffer that stays in the pool.
	keepOutput = 64 << 10
)

// slideWindow appends data to window, of which the last size bytes count.
func slideWindow(window, data []byte, size int) []byte {
	if len(data) >= size {
		return append(window[:0], data[len(data)-size:]...)
	}
	if len(window)+len(data) > size+windowSlack {
		keep := size - len(data)
		window = window[:copy(window, window[len(window)-keep:])]
	}
	return append(window, data...)
}

// windowEnd returns the part of window that counts.
func windowEnd(window []byte, size int) []byte {
	return window[max(0, len(window)-size):]
}

// dictionary returns the part of window that a message of so many bytes refers to. A
// compressor reads each byte of it anew, which for a small message and a full window
// is nearly all that it does, and gains little: the latest messages are most like it.
// Twice the size holds the whole of a message before that was as large.
func dictionary(window []byte, bits, size int) []byte {
	return windowEnd(window, min(1<<bits, max(minDictionary, 2*size)))
}

// deflater compresses one message. It comes from a pool, for takeover too: then
// the window is all that the connection has to keep.
type deflater struct {
	flate *flate.Writer
	bits  int
	out   []byte // room for a frame header, then compressed data
}

var deflaters [maxWindowBits + 1]sync.Pool // by window size

// takeDeflater gives a deflater for a message of about size bytes.
func takeDeflater(bits int, window []byte, size int) *deflater {
	d, ok := deflaters[bits].Get().(*deflater)
	if !ok {
		d = &deflater{bits: bits, out: make([]byte, maxServerHeader, 1<<10)}
		// The errors are about parameters that are out of range.
		if bits == maxWindowBits {
			d.flate, _ = flate.NewWriter(nil, flate.BestSpeed)
		} else {
			d.flate, _ = flate.NewWriterWindow(nil, 1<<bits)
		}
	}
	d.flate.ResetDict((*deflaterOutput)(d), dictionary(window, bits, size))
	return d
}

func (d *deflater) give() {
	if cap(d.out) > keepOutput {
		return
	}
	d.clear()
	d.flate.ResetDict(nil, nil)
	deflaters[d.bits].Put(d)
}

func (d *deflater) clear() { d.out = d.out[:maxServerHeader] }

// write compresses data. Output goes to memory, so there is no error.
func (d *deflater) write(data []byte) { d.flate.Write(data) }

// flush completes the output of the message.
func (d *deflater) flush() {
	d.flate.Flush()
	d.out = d.out[:len(d.out)-len(flushTail)]
}

type deflaterOutput deflater

func (o *deflaterOutput) Write(p []byte) (int, error) {
	o.out = append(o.out, p...)
	return len(p), nil
}

// inflater decompresses one message. It comes from a pool.
type inflater struct {
	conn  *Conn
	flate io.ReadCloser
	buf   *bufio.Reader
	tail  string // what the message's payload is followed by
	err   error  // why the payload ended early
}

// inflaterSize is about what an inflater holds: a window and tables.
const inflaterSize = 48 << 10

var inflaters = sync.Pool{New: func() any {
	f := &inflater{buf: bufio.NewReaderSize(nil, 4<<10)}
	f.flate = flate.NewReader(f.buf)
	return f
}}

func takeInflater(c *Conn) *inflater {
	f := inflaters.Get().(*inflater)
	f.conn = c
	f.tail = flushTail + finalBlock
	f.err = nil
	f.buf.Reset((*inflaterInput)(f))
	f.flate.(flate.Resetter).Reset(f.buf, windowEnd(c.in.window, maxWindow))
	return f
}

func (f *inflater) give() {
	f.conn = nil
	f.buf.Reset(nil)
	inflaters.Put(f)
}

// atEnd reports whether the message has nothing after the last block. A
// compressor that ends each message with a last block of its own is allowed to
// leave one byte of an empty block (RFC 7692 section 7.2.3.4).
func (f *inflater) atEnd() bool {
	var rest [len(flushTail) + len(finalBlock) + 2]byte
	n, _ := io.ReadFull(f.buf, rest[:])
	return n < len(rest)-1 || n == len(rest)-1 && rest[0] == 0
}

// inflaterInput is the message's payload and the tail.
type inflaterInput inflater

func (f *inflaterInput) Read(p []byte) (int, error) {
	if f.err == nil {
		n, err := f.conn.readPayload(p)
		if err == nil {
			return n, nil
		}
		f.err = err
		if err == io.EOF && f.conn.in.announced == 0 {
			f.tail = finalBlock // not even an empty block
		}
	}
	if f.err != io.EOF {
		return 0, f.err
	}
	n := copy(p, f.tail)
	f.tail = f.tail[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// readInflated reads decompressed data of the current message.
func (c *Conn) readInflated(p []byte) (int, error) {
	in := &c.in
	if in.inflater == nil {
		in.inflater = takeInflater(c)
	}
	f := in.inflater
	n, err := f.flate.Read(p)
	if c.deflate.receiveTakeover {
		in.window = slideWindow(in.window, p[:n], maxWindow)
	}
	if err == nil {
		return n, nil
	}
	whole := err == io.EOF && f.atEnd()
	switch {
	case f.err != nil && f.err != io.EOF: // maybe only while looking for the end
		return n, f.err
	case whole:
		return n, io.EOF
	}
	return n, errCorrupt
}
