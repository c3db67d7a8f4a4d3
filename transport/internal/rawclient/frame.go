// Package rawclient is a WebSocket client for tests that sends whatever bytes a test
// wants to. It shares no code with the library that it tests.
package rawclient

import (
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes of frames (RFC 6455 section 11.8), and the bits of their first two bytes.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xA

	bitFin  = 0x80
	bitRSV1 = 0x40
	bitMask = 0x80
)

// Frame encodes a client's frame with its first byte given, masked.
func Frame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, bitMask|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, bitMask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bitMask|127), uint64(n))
	}
	key := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// Fin is the only or last frame of a message, or a control frame.
func Fin(op byte, payload string) []byte { return Frame(bitFin|op, payload) }

// Part is a frame of a message that goes on.
func Part(op byte, payload string) []byte { return Frame(op, payload) }

// CloseFrame is a close frame with a status.
func CloseFrame(code uint16, reason string) []byte {
	return Fin(Close, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// errServerFrame is for a frame that a server mustn't send.
var errServerFrame = errors.New("a frame that a server mustn't send")

// Frame reads a frame of the server. io.EOF means that there is none.
func (c *Conn) Frame() (first byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(c.Buffer, head[:2]); err != nil {
		return 0, nil, err
	}
	length, least := uint64(head[1]), uint64(0)
	switch length {
	case 126:
		_, err = io.ReadFull(c.Buffer, head[2:4])
		length, least = uint64(binary.BigEndian.Uint16(head[2:])), 126
	case 127:
		_, err = io.ReadFull(c.Buffer, head[2:10])
		length, least = binary.BigEndian.Uint64(head[2:]), 1<<16
	}
	if err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	if head[1]&bitMask != 0 || length < least {
		return 0, nil, errServerFrame
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(c.Buffer, payload); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return head[0], payload, nil
}
