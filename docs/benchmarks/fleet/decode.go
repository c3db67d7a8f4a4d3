package fleet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// stage is how far a connection has come.
type stage uint8

const (
	inHeader stage = iota
	inFrames       // of a WebSocket
	inChunks       // of an event stream
	inLines        // of an event stream that isn't chunked
)

var errGoodbye = errors.New("the server has closed the connection")

// decoder takes a server's answer apart. It keeps bytes only of what hasn't come in one piece.
type decoder struct {
	stage    stage
	rest     []byte    // of the connection
	inflater *inflater // of a WebSocket on which compressed messages have come
	line     []byte    // of the event stream, from the last whole line on; of the message, from its first frame on
}

// sink takes what a decoder finds. The bytes are the decoder's again afterwards.
type sink interface {
	// text is one WebSocket message, or any number of whole lines of an event stream.
	text(b []byte) error
	// ping is a ping of RFC 6455.
	ping(payload []byte) error
}

// feed takes the next bytes that were read.
func (d *decoder) feed(b []byte, to sink) error {
	if len(d.rest) > 0 {
		b = append(d.rest, b...)
		d.rest = b
	}
	for len(b) > 0 {
		n, err := d.next(b, to)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		b = b[n:]
	}
	if len(b) == 0 {
		d.rest = nil
		return nil
	}
	d.rest = append([]byte(nil), b...)
	return nil
}

// next takes one unit off b and says how long it was; 0 if it isn't whole yet.
func (d *decoder) next(b []byte, to sink) (int, error) {
	switch d.stage {
	case inHeader:
		return d.header(b)
	case inFrames:
		return d.frame(b, to)
	case inChunks:
		return d.chunk(b, to)
	default:
		return len(b), d.lines(b, to)
	}
}

func (d *decoder) header(b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	header := b[:end+2]
	status, _, _ := bytes.Cut(header, []byte("\r\n"))
	switch {
	case bytes.HasPrefix(status, []byte("HTTP/1.1 101 ")):
		d.stage = inFrames
	case !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")):
		return 0, fmt.Errorf("status %q", status)
	case bytes.Contains(bytes.ToLower(header), []byte("transfer-encoding: chunked")):
		d.stage = inChunks
	default:
		d.stage = inLines
	}
	return end + 4, nil
}

// The opcodes of RFC 6455, section 5.2, with the bit of a final frame where it is set.
const (
	firstText = 0x01
	further   = 0x00
	final     = 0x80
	deflated  = 0x40
	finalText = 0x81
	opClose   = 0x88
	opPing    = 0x89
	opPong    = 0x8a
)

func (d *decoder) frame(b []byte, to sink) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	head, size := 2, int(b[1])
	switch {
	case size == 126 && len(b) >= 4:
		head, size = 4, int(binary.BigEndian.Uint16(b[2:]))
	case size == 127 && len(b) >= 10:
		head, size = 10, int(binary.BigEndian.Uint64(b[2:]))
	case size > 127:
		return 0, errors.New("a masked frame from a server")
	case size >= 126:
		return 0, nil
	}
	if len(b) < head+size {
		return 0, nil
	}
	payload := b[head : head+size]
	switch b[0] {
	case finalText:
		return head + size, to.text(payload)
	case finalText | deflated, firstText, firstText | deflated, further, final:
		return head + size, d.fragment(b[0], payload, to)
	case opPing:
		return head + size, to.ping(payload)
	case opPong:
		return head + size, nil
	case opClose:
		return 0, fmt.Errorf("%w: %q", errGoodbye, payload)
	default:
		return 0, fmt.Errorf("a frame that begins with %#x", b[0])
	}
}

// fragment takes a frame of a message that is fragmented, or compressed, or both.
func (d *decoder) fragment(first byte, payload []byte, to sink) error {
	if first&deflated != 0 && d.inflater == nil {
		d.inflater = &inflater{}
	}
	d.line = append(d.line, payload...)
	if first&final == 0 {
		return nil
	}
	message := d.line
	d.line = nil
	if d.inflater != nil {
		var err error
		if message, err = d.inflater.inflate(message); err != nil {
			return err
		}
	}
	return to.text(message)
}

func (d *decoder) chunk(b []byte, to sink) (int, error) {
	end := bytes.Index(b, []byte("\r\n"))
	if end < 0 {
		return 0, nil
	}
	size, err := strconv.ParseUint(string(b[:end]), 16, 31)
	if err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, errGoodbye
	}
	begin := end + 2
	end = begin + int(size)
	if len(b) < end+2 {
		return 0, nil
	}
	return end + 2, d.lines(b[begin:end], to)
}

// lines hands on what is whole of an event stream.
func (d *decoder) lines(b []byte, to sink) error {
	if len(d.line) > 0 {
		b = append(d.line, b...)
		d.line = nil
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	if end < len(b) {
		d.line = append([]byte(nil), b[end:]...)
	}
	if end == 0 {
		return nil
	}
	return to.text(b[:end])
}
