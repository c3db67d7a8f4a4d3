package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// events reads an event stream (WHATWG HTML, "Interpreting an event stream"). Of an event
// only the data counts: what its name and its id say is in the frame too.
type events struct {
	in      *bufio.Reader
	limit   int // of a line and of an event's data, in bytes
	text    []byte
	data    []byte
	afterCR bool // the last line ended with CR, to which an LF would belong
	begun   bool
}

var errTooLong = errors.New("client: an event is over Options.MaxFrame")

func newEvents(in io.Reader, limit int) *events {
	return &events{in: bufio.NewReader(in), limit: limit}
}

// next returns the data of the next event that has any, good until the next call. The
// error is that of the stream, or errTooLong.
func (e *events) next() ([]byte, error) {
	e.data = e.data[:0]
	found := false
	for {
		line, err := e.line()
		switch {
		case err != nil:
			return nil, err
		case len(line) == 0 && len(e.data) > 0:
			return e.data, nil
		case len(line) == 0:
			found = false
		}
		value, isData := bytes.CutPrefix(line, []byte("data"))
		if !isData || len(value) > 0 && value[0] != ':' {
			continue
		}
		value = bytes.TrimPrefix(bytes.TrimPrefix(value, []byte(":")), []byte(" "))
		if found {
			e.data = append(e.data, '\n')
		}
		found = true
		if e.data = append(e.data, value...); len(e.data) > e.limit {
			return nil, errTooLong
		}
	}
}

// line returns the next line, without its end: CR, LF or both.
func (e *events) line() ([]byte, error) {
	e.text = e.text[:0]
	for {
		if _, err := e.in.Peek(1); err != nil {
			return nil, err
		}
		piece, _ := e.in.Peek(e.in.Buffered())
		if e.afterCR {
			e.afterCR = false
			if piece[0] == '\n' {
				_, _ = e.in.Discard(1) // it is there
				continue
			}
		}
		end, taken := bytes.IndexAny(piece, "\r\n"), len(piece)
		if end >= 0 {
			e.afterCR = piece[end] == '\r'
			piece, taken = piece[:end], end+1
		}
		e.text = append(e.text, piece...)
		_, _ = e.in.Discard(taken) // it is there
		if len(e.text) > e.limit+len("data: ") {
			return nil, errTooLong
		}
		if end < 0 {
			continue
		}
		line := e.text
		if !e.begun {
			e.begun = true
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		return line, nil
	}
}
