package websocket

import (
	"context"
	"errors"
	"io"
)

// Reader waits for the next message and returns a reader for its data, as it
// arrives: io.EOF is the end of the message. What is left unread of an earlier
// message is skipped. ctx applies to the returned reader as well.
//
// Reader and the reader it returns fail like [Conn.Read]. Text is checked as it
// passes, so that its reader never returns bytes that can't be UTF-8.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	r := &messageReader{conn: c, ctx: ctx}
	var typ MessageType
	err := c.whileReading(ctx, func() error {
		if err := c.nextMessage(); err != nil {
			return err
		}
		typ = c.in.typ
		c.in.reader = r
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return typ, r, nil
}

// messageReader reads one message, if it is still the current one.
type messageReader struct {
	conn *Conn
	ctx  context.Context
	err  error
}

func (r *messageReader) Read(p []byte) (n int, err error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	r.err = r.conn.whileReading(r.ctx, func() (err error) {
		if r.conn.in.reader != r {
			return errOldReader
		}
		n, err = r.conn.readMessage(p)
		return err
	})
	return n, r.err
}

var errOldReader = errors.New("the reader of an earlier message")
