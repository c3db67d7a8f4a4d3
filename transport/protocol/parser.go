package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
)

const (
	maxDepth = 3  // how deep a frame nests: an object, its topics, an entry
	maxKeys  = 32 // more than any object of a frame has
)

var errNotJSON = &MalformedError{"not JSON"}

// parser takes a frame apart. It knows how objects and arrays are written; what a
// string, a number or a word is it leaves to encoding/json.
//
// It keeps the fields of one object at each depth, and no items of arrays, which are
// read again by value.each: else a frame of brackets would cost two hundred times
// what it is.
type parser struct {
	rest   []byte
	fields [maxDepth][]value
}

// parse reads the one object that a frame is. It refuses what encoding/json would
// let pass: keys that come twice or in another case, deep nesting, and anything
// behind the object.
func parse(frame []byte) (value, error) {
	p := parser{rest: frame}
	if p.next() != '{' {
		return value{}, noObject(frame)
	}
	v, err := p.value(0)
	if err != nil {
		return value{}, err
	}
	if p.next(); len(p.rest) > 0 {
		return value{}, &MalformedError{"something stands behind the object"}
	}
	return v, nil
}

// noObject tells what is wrong with a frame that doesn't begin as an object.
func noObject(frame []byte) error {
	d := json.NewDecoder(bytes.NewReader(frame))
	d.UseNumber() // any number is JSON, however large
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return &MalformedError{"not an object"}
}

// next steps over white space and tells the byte behind it; 0 at the end.
func (p *parser) next() byte {
	p.rest = bytes.TrimLeft(p.rest, " \t\r\n")
	if len(p.rest) == 0 {
		return 0
	}
	return p.rest[0]
}

// take steps over c, if it is next.
func (p *parser) take(c byte) bool {
	if p.next() != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) value(depth int) (v value, err error) {
	c := p.next()
	start := p.rest
	switch {
	case c != '{' && c != '[':
		err = p.scalar()
	case depth == maxDepth:
		err = &MalformedError{"nested too deep"}
	case c == '{':
		v.parts, err = p.object(depth)
	default:
		err = p.array(depth)
	}
	v.text = start[:len(start)-len(p.rest)]
	return v, err
}

// object gives the fields of an object. They are good until the next at its depth.
func (p *parser) object(depth int) ([]value, error) {
	fields := p.fields[depth][:0]
	if fields == nil {
		fields = make([]value, 0, 4)
	}
	p.take('{')
	for !p.take('}') {
		if len(fields) > 0 && !p.take(',') {
			return nil, errNotJSON
		}
		key, err := p.key(fields)
		if err != nil {
			return nil, err
		}
		if !p.take(':') {
			return nil, errNotJSON
		}
		v, err := p.field(key, depth)
		if err != nil {
			return nil, err
		}
		v.key = key
		fields = append(fields, v)
	}
	p.fields[depth] = fields
	return fields, nil
}

// field reads the value of a field. What a message carries may be any JSON.
func (p *parser) field(key string, depth int) (v value, err error) {
	if c := p.next(); depth > 0 || key != "data" || c != '{' && c != '[' {
		return p.value(depth + 1)
	}
	n := valueLength(p.rest)
	if v.text = p.rest[:n]; !json.Valid(v.text) {
		return v, errNotJSON
	}
	p.rest = p.rest[n:]
	return v, nil
}

// array steps over an array.
func (p *parser) array(depth int) error {
	p.take('[')
	for first := true; !p.take(']'); first = false {
		if !first && !p.take(',') {
			return errNotJSON
		}
		if _, err := p.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// key reads the key of one more field.
func (p *parser) key(fields []value) (string, error) {
	if p.next() != '"' {
		return "", errNotJSON
	}
	start := p.rest
	if err := p.scalar(); err != nil {
		return "", err
	}
	key, known := keyOf(start[:len(start)-len(p.rest)])
	for _, other := range fields {
		if strings.EqualFold(key, other.key) {
			return "", &MalformedError{"a key comes twice"}
		}
	}
	if !known && key != strings.ToLower(strings.ToUpper(key)) { // ſ is a lower-case letter that counts as s
		return "", &MalformedError{"a key is not in lower case"}
	}
	if len(fields) == maxKeys {
		return "", &MalformedError{"too many keys"}
	}
	return key, nil
}

// keyOf gives a quoted key, and whether it is one of the protocol.
func keyOf(text []byte) (key string, known bool) {
	for _, key := range clientKeys {
		if string(text[1:len(text)-1]) == key {
			return key, true
		}
	}
	key, _ = value{text: text}.str()
	return key, false
}

// scalar steps over a value that has no parts.
func (p *parser) scalar() error {
	var n int
	if p.next() == '"' {
		n = stringLength(p.rest)
	} else if n = bytes.IndexAny(p.rest, " \t\r\n,:[]{}\""); n < 0 {
		n = len(p.rest)
	}
	if !json.Valid(p.rest[:n]) {
		return errNotJSON
	}
	p.rest = p.rest[n:]
	return nil
}

// valueLength is how long the object or array is that text begins with, as far as it goes.
func valueLength(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// stringLength is how long the string is that text begins with, as far as it goes.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
