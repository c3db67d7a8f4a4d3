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
	if len(o.Ping) > 0 && bytes.Equal(b, o.Ping) {
		return v.send(finalText, o.Pong)
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

// keepCursor remembers the last cursor in b, as a client of Tidewire does.
func (v visit) keepCursor(b []byte) {
	const field = `"cursor":"`
	at := bytes.LastIndex(b, []byte(field))
	if at < 0 {
		return
	}
	b = b[at+len(field):]
	if end := bytes.IndexByte(b, '"'); end > 0 {
		v.cursor = append(v.cursor[:0], b[:end]...)
	}
}
