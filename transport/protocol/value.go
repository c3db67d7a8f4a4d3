package protocol

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// value is a JSON value of a frame from a client. The zero value is one that isn't
// there, which is the same as null.
type value struct {
	key   string  // if it is a field
	text  []byte  // as it was sent, without white space around it
	parts []value // the fields, if it is an object
}

// each calls take with each item of an array of a frame that was parsed, until it
// gives an error. An item is good until take returns.
func (v value) each(take func(item value) error) error {
	p := parser{rest: v.text[1:]}
	for !p.take(']') {
		p.take(',')
		item, err := p.value(maxDepth - 1)
		if err == nil {
			err = take(item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// field gives a part of an object.
func (v value) field(key string) value {
	for _, part := range v.parts {
		if part.key == key {
			return part
		}
	}
	return value{}
}

// starts reports whether the value is of the kind that begins like this.
func (v value) starts(c byte) bool { return len(v.text) > 0 && v.text[0] == c }

func (v value) isNull() bool { return len(v.text) == 0 || v.starts('n') }

// str gives a string; null is an empty one.
func (v value) str() (s string, ok bool) {
	if v.isNull() {
		return "", true
	}
	if !v.starts('"') {
		return "", false
	}
	if bytes.IndexByte(v.text, '\\') < 0 && utf8.Valid(v.text) {
		return string(v.text[1 : len(v.text)-1]), true
	}
	err := json.Unmarshal(v.text, &s)
	return s, err == nil
}

// number gives an unsigned integer; null is zero.
func (v value) number() (n uint64, ok bool) {
	if v.isNull() {
		return 0, true
	}
	n, err := strconv.ParseUint(string(v.text), 10, 64)
	return n, err == nil
}
