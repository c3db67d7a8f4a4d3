package fleet

import (
	"bytes"
	"time"
)

// member is one client.
type member struct {
	decoder
	topic  int
	next   uint32 // the number of the publication that is to come
	ready  bool   // is connected, and knows it
	tried  bool   // has got a publication of number 0
	cursor []byte // of the last message, if the fleet keeps cursors
}

// visit is the moment in which a member gets bytes.
type visit struct {
	*member
	fleet  *Fleet
	client int
	now    time.Time
}

var _ sink = visit{}

func (v visit) receive(b []byte) error {
	before := v.stage
	if err := v.feed(b, v); err != nil {
		return err
	}
	if before == inHeader && v.stage != inHeader {
		return v.answered()
	}
	return nil
}

// answered is called when the header of the answer was read.
func (v visit) answered() error {
	if len(v.fleet.options.Ready) == 0 {
		v.isReady()
	}
	if hello := v.fleet.options.Hello; len(hello) > 0 {
		return v.send(finalText, hello)
	}
	return nil
}

func (v visit) isReady() {
	if !v.ready && !v.fleet.options.Silent {
		v.ready = true
		v.fleet.ready++
	}
}

// send sends a frame as clients do: masked, here with zeros.
func (v visit) send(opcode byte, payload []byte) error {
	b := []byte{opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}
	return v.fleet.lines.send(v.client, append(b, payload...))
}

func (v visit) ping(payload []byte) error { return v.send(opPong, payload) }

func (v visit) text(b []byte) error {
	o := &v.fleet.options
	if !v.ready && bytes.Contains(b, o.Ready) {
		v.isReady()
	}
	if len(o.Ping) > 0 && hasLine(b, o.Ping) {
		if err := v.send(finalText, o.Pong); err != nil {
			return err
		}
	}
	if o.Cursors {
		v.keepCursor(b)
	}
	var err error
	whole := scan(b, o.Payload, func(number uint32) {
		if e := v.publication(number); e != nil {
			err = e
		}
	})
	if !whole {
		return errBroken
	}
	return err
}

// hasLine reports whether a line of b, of which most have one only, is exactly this.
func hasLine(b, line []byte) bool {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return bytes.Equal(b, line)
		}
		if bytes.Equal(b[:end], line) {
			return true
		}
		b = b[end+1:]
	}
}

func (v visit) publication(number uint32) (err error) {
	switch {
	case number > 0:
		v.next, err = v.fleet.arrive(v.topic, number, v.next, v.now)
	case !v.tried:
		v.tried = true
		v.fleet.tried++
	}
	return err
}

// topicPart is how much of a cursor of one topic is its topic's own; the rest is the position.
const topicPart = 21

// keepCursor remembers how far b leads, as a client of Tidewire that follows one topic does: a cursor is replaced by the
// last whole one, and moved on by the last message.
func (v visit) keepCursor(b []byte) {
	if cursor, rest, ok := lastField(b, `"cursor":"`); ok {
		v.cursor, b = append(v.cursor[:0], cursor...), rest
	}
	if at, _, ok := lastField(b, `"at":"`); ok && len(v.cursor) >= topicPart {
		v.cursor = append(v.cursor[:topicPart], at...)
	}
}

// lastField is the value of the last field that begins like this, and what comes after it.
func lastField(b []byte, begin string) (value, rest []byte, ok bool) {
	at := bytes.LastIndex(b, []byte(begin))
	if at < 0 {
		return nil, nil, false
	}
	return bytes.Cut(b[at+len(begin):], []byte{'"'})
}
