package websocket

import (
	"encoding/binary"
	"math"
	"strconv"
)

// MessageType is the kind of a message, by the numbers of RFC 6455 section 11.8.
type MessageType int

const (
	// Text is a message of UTF-8 text. Received text has been
	// checked; text to be sent has to be valid.
	Text MessageType = 1
	// Binary is a message of any bytes.
	Binary MessageType = 2
)

func (t MessageType) String() string {
	switch t {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return "message type " + strconv.Itoa(int(t))
}

type opcode byte

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xA
)

func (o opcode) isControl() bool { return o&0x8 != 0 }

const (
	bitFin  = 0x80
	bitRSV1 = 0x40
	bitRSV2 = 0x20
	bitRSV3 = 0x10
	bitMask = 0x80

	maxControlPayload = 125
	maxServerHeader   = 2 + 8     // without a masking key
	maxClientHeader   = 2 + 8 + 4 // with one
)

// frameHeader is what stands before the payload of the peer's frame (RFC 6455
// section 5.2).
type frameHeader struct {
	fin    bool
	rsv1   bool // the first frame of a compressed message (RFC 7692 section 6)
	op     opcode
	length int64
	key    uint32 // masking key, first byte lowest; 0 for none
}

// parseFrameHeader reads the header at the start of b and returns the number of
// bytes it takes, or 0 as long as b holds too little of it. Whatever makes the
// header wrong in itself is refused as soon as the bytes that show it are there.
// deflate tells whether RSV1 has a meaning on this connection, and masked which frames
// are right: all that a client sends are masked, and none of a server's.
func parseFrameHeader(b []byte, deflate, masked bool) (h frameHeader, size int, err error) {
	if len(b) == 0 {
		return h, 0, nil
	}
	h.fin = b[0]&bitFin != 0
	h.rsv1 = b[0]&bitRSV1 != 0
	h.op = opcode(b[0] & 0xF)
	switch h.op {
	case opContinuation, opText, opBinary, opClose, opPing, opPong:
	default:
		return h, 0, protocolError("reserved opcode")
	}
	if b[0]&(bitRSV2|bitRSV3) != 0 || h.rsv1 && !(deflate && (h.op == opText || h.op == opBinary)) {
		return h, 0, protocolError("reserved bit set")
	}
	if h.op.isControl() && !h.fin {
		return h, 0, protocolError("fragmented control frame")
	}

	if len(b) < 2 {
		return h, 0, nil
	}
	switch {
	case masked && b[1]&bitMask == 0:
		return h, 0, protocolError("frame not masked")
	case !masked && b[1]&bitMask != 0:
		return h, 0, protocolError("frame masked")
	}
	short := b[1] &^ bitMask
	if h.op.isControl() && short > maxControlPayload {
		return h, 0, protocolError("control frame too long")
	}
	size = 2
	switch short {
	case 126:
		size += 2
		if len(b) < size {
			return h, 0, nil
		}
		h.length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.length < 126 {
			return h, 0, protocolError("length not in its shortest form")
		}
	case 127:
		size += 8
		if len(b) < size {
			return h, 0, nil
		}
		long := binary.BigEndian.Uint64(b[2:])
		if long > math.MaxInt64 {
			return h, 0, protocolError("length over 63 bits")
		}
		if long <= math.MaxUint16 {
			return h, 0, protocolError("length not in its shortest form")
		}
		h.length = int64(long)
	default:
		h.length = int64(short)
	}
	if !masked {
		return h, size, nil
	}
	if len(b) < size+4 {
		return h, 0, nil
	}
	h.key = binary.LittleEndian.Uint32(b[size:])
	return h, size + 4, nil
}

// appendFrameHeader appends the header of a server's frame, which is not masked.
// first is the header's first byte: the opcode and the bits before it.
func appendFrameHeader(dst []byte, first byte, length int) []byte {
	switch {
	case length <= 125:
		return append(dst, first, byte(length))
	case length <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(length))
}

// AppendFrame appends a whole message to dst, encoded as one uncompressed frame
// as servers send it. The frame is the same for every connection, see
// [Conn.WriteFrames]. It is at most 10 bytes longer than payload. The payload of
// a Text message must be valid UTF-8.
func AppendFrame(dst []byte, typ MessageType, payload []byte) []byte {
	dst = appendFrameHeader(dst, bitFin|byte(typ), len(payload))
	return append(dst, payload...)
}
