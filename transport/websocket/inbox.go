package websocket

import (
	"errors"
	"math"
	"sync"
	"time"
)

var (
	errTooBig  = &ProtocolError{StatusMessageTooBig, "message too big"}
	errNotUTF8 = &ProtocolError{StatusInvalidData, "text not UTF-8"}
	errEmpty   = &ProtocolError{StatusMessageTooBig, "too many empty fragments"}
	errCorrupt = &ProtocolError{StatusInvalidData, "corrupt compressed data"}

	// errNothing ends a read that doesn't wait: no message begins with what has come.
	errNothing = errors.New("nothing more has come")
)

// inbox is the reading side's state. It is guarded by the connection's readLock.
type inbox struct {
	buf      []byte // nil while nothing is buffered and nobody waits
	from, to int    // what is buffered
	handled  bool   // it is read for the connection's handler
	polling  bool   // it is read without waiting for the next message
	polls    int    // how often it may read from the network
	pongs    []byte // encoded answers to pings, not yet sent

	// The current frame.
	remaining int64 // payload still to read
	key       uint32
	final     bool

	// The current message.
	open       bool
	typ        MessageType
	compressed bool
	empty      uint16 // fragments of nothing so far
	grace      int32  // what is read at once while closing, see spend; 0 before
	announced  int64  // payload of the frames so far
	delivered  int64  // bytes after decompression
	text       textChecker
	inflater   *inflater      // from its first read
	held       int            // bytes that the handler knows of; see Conn.hold
	reader     *messageReader // that may read it; nil if Read does

	window []byte // what the peer's compressor may refer to
}

// start takes what came with the handshake.
func (in *inbox) start(early []byte) { in.buf, in.to = early, len(early) }

type readBuffer = [readBufferSize]byte

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

// rest gives the buffer back if nothing is in it.
func (in *inbox) rest() {
	if in.buf == nil || in.buffered() > 0 {
		return
	}
	if len(in.buf) == readBufferSize {
		readBuffers.Put((*readBuffer)(in.buf))
	}
	in.buf, in.from, in.to = nil, 0, 0
}

func (in *inbox) buffered() int { return in.to - in.from }

// makeRoom makes the buffer fit for reading more. What has to be in it as a
// whole, a header with a control frame's payload, is far below its size.
func (in *inbox) makeRoom() {
	if in.from == in.to && len(in.buf) != readBufferSize {
		in.buf = readBuffers.Get().(*readBuffer)[:]
	}
	switch {
	case in.from == in.to:
		in.from, in.to = 0, 0
	case in.to == len(in.buf):
		room := in.buf
		if len(room) < readBufferSize {
			room = readBuffers.Get().(*readBuffer)[:]
		}
		in.to = copy(room, in.buf[in.from:in.to])
		in.buf, in.from = room, 0
	}
}

// openMessage starts a message with its first frame.
func (in *inbox) openMessage(h frameHeader, limit int64) error {
	if h.op == opContinuation {
		return protocolError("continuation of no message")
	}
	in.typ = MessageType(h.op)
	in.compressed = h.rsv1
	in.announced, in.delivered, in.empty = 0, 0, 0
	in.text = textChecker{}
	in.open = true
	return in.openFrame(h, limit)
}

// maxEmpty is how many empty fragments a message may have. They are legal, and never
// bring it nearer to its limit.
const maxEmpty = 1000

// What a peer sends instead of answering a close frame is read on, so that it gets to
// see the frame; but it may not keep a processor busy with that. Past maxGrace bytes,
// of which each frame costs frameGrace, there is a pause before each read.
const (
	maxGrace   = 16 << 20
	frameGrace = 2 << 10
	closePause = 20 * time.Millisecond
)

// spend takes from the grace, if it is measured.
func (in *inbox) spend(n int) {
	if in.grace > 0 {
		in.grace = max(1, in.grace-int32(min(n, maxGrace)))
	}
}

// pause waits if there is no grace left.
func (in *inbox) pause() {
	if in.grace == 1 {
		time.Sleep(closePause)
	}
}

// openFragment goes on with the message's next frame.
func (in *inbox) openFragment(h frameHeader, limit int64) error {
	if h.op != opContinuation {
		return protocolError("new message inside a message")
	}
	if h.length == 0 && !h.fin {
		if in.empty++; in.empty > maxEmpty {
			return errEmpty
		}
	}
	return in.openFrame(h, limit)
}

// openFrame refuses what is too big by its own account. limit is 0 for none.
// Compressed data is judged by what comes out; but since some of it makes
// nothing come out, what goes in is limited too, generously.
func (in *inbox) openFrame(h frameHeader, limit int64) error {
	switch {
	case limit <= 0 || in.compressed && limit > math.MaxInt64/4:
		limit = math.MaxInt64
	case in.compressed:
		limit = 2*limit + 1024
	}
	if h.length > limit-in.announced {
		return errTooBig
	}
	in.announced += h.length
	in.remaining, in.key, in.final = h.length, h.key, h.fin
	return nil
}

// allRead reports whether nothing of an uncompressed message is left.
func (in *inbox) allRead() bool { return !in.compressed && in.final && in.remaining == 0 }

// endMessage forgets the current message, if there is one.
func (in *inbox) endMessage() {
	if in.inflater != nil {
		in.inflater.give()
		in.inflater = nil
	}
	in.open = false
	in.reader = nil
}
