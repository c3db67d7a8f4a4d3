package protocol

import (
	"bytes"
	"iter"
	"slices"
)

// What follows reads JSON that is known to be valid, of any depth and with any keys, which
// the parser of requests refuses. Only what is looked at is taken apart.

// objectOf returns an object with its fields. A key that comes twice has its last value.
func objectOf(v value) value { return objectIn(v, make([]value, 0, 8)) }

// objectIn is objectOf with room for the fields, which it overwrites.
func objectIn(v value, room []value) value {
	v.parts = room[:0]
	p := parser{rest: v.text}
	p.take('{')
	for !p.take('}') {
		p.take(',')
		key := p.cut()
		p.take(':')
		field := p.cut()
		name, known := serverKey(key)
		if !known {
			continue
		}
		field.key = name
		if i := indexOf(v.parts, name); i >= 0 {
			v.parts[i] = field
			continue
		}
		v.parts = append(v.parts, field)
	}
	return v
}

// items are those of an array; one that isn't ok says that it is none.
func items(v value) iter.Seq2[value, bool] {
	return func(yield func(value, bool) bool) {
		if !v.starts('[') {
			yield(value{}, false)
			return
		}
		p := parser{rest: v.text}
		p.take('[')
		for !p.take(']') {
			p.take(',')
			if !yield(p.cut(), true) {
				return
			}
		}
	}
}

// cut takes the next value off.
func (p *parser) cut() value {
	var n int
	switch p.next() {
	case '"':
		n = stringLength(p.rest)
	case '{', '[':
		n = valueLength(p.rest)
	default:
		if n = bytes.IndexAny(p.rest, " \t\r\n,:]}"); n < 0 {
			n = len(p.rest)
		}
	}
	v := value{text: p.rest[:n]}
	p.rest = p.rest[n:]
	return v
}

func indexOf(fields []value, key string) int {
	for i := range fields {
		if fields[i].key == key {
			return i
		}
	}
	return -1
}

// serverKeys are the names of all fields of frames and answers from servers. The others are
// ignored, so that an object with many of them costs no more than its text.
var serverKeys = []string{
	"type", "topic", "at", "data", "id", "event", "key", "time", "encoding", "cursor", "topics", "from", "error", "code",
	"reason", "retry", "after", "session", "heartbeat", "expires", "features", "last", "now", "epoch", "offset", "duplicate",
	"results", "changes", "op", "start", "version", "kind",
}

// serverKey returns the name of a field, if frames from servers have it.
func serverKey(key value) (name string, known bool) {
	for _, name := range serverKeys {
		if string(key.text[1:len(key.text)-1]) == name {
			return name, true
		}
	}
	if bytes.IndexByte(key.text, '\\') < 0 {
		return "", false
	}
	name, _ = key.str()
	return name, slices.Contains(serverKeys, name)
}
