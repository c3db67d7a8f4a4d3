package protocol

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// object is a JSON object that is being appended, on one line and byte for byte as
// encoding/json writes it without HTML escaping. Frames are written for every
// message and every connection, which is too often for reflection.
type object []byte

// newObject begins an object that is likely to be small.
func newObject() object { return append(make(object, 0, 128), '{') }

// newFrame begins a frame that is likely to be small.
func newFrame(frameType string) object { return newObject().name("type", frameType) }

// appendFrame begins a frame.
func appendFrame(dst []byte, frameType string) object {
	return object(append(dst, '{')).name("type", frameType)
}

func (o object) end() []byte { return append(o, '}') }

// field appends a field's key, which is known to need no escaping.
func (o object) field(key string) object {
	if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	return append(append(append(o, '"'), key...), `":`...)
}

// name appends a word of ours, which is known to need no escaping.
func (o object) name(key, word string) object {
	return append(append(append(o.field(key), '"'), word...), '"')
}

// raw appends a value that is JSON.
func (o object) raw(key, json string) object { return append(o.field(key), json...) }

func (o object) text(key, value string) object {
	return appendText(o.field(key), value)
}

// optional appends text, unless there is none.
func (o object) optional(key, value string) object {
	if value == "" {
		return o
	}
	return o.text(key, value)
}

func (o object) number(key string, value uint64) object {
	return strconv.AppendUint(o.field(key), value, 10)
}

func (o object) integer(key string, value int64) object {
	return strconv.AppendInt(o.field(key), value, 10)
}

// data appends a payload: text as a string, JSON as the value that it is, and anything
// else as base64 (RFC 4648 section 4) with a mark.
func (o object) data(data []byte, encoding push.Encoding) object {
	switch encoding {
	case push.EncodingText:
		return appendText(o.field("data"), data)
	case push.EncodingJSON:
		return append(o.field("data"), data...)
	default:
		o = append(o.name("encoding", encodingBase64).field("data"), '"')
		return append(base64.StdEncoding.AppendEncode(o, data), '"')
	}
}

// encodingBase64 is the mark of base64; text and JSON have none.
const encodingBase64 = "base64"

// place appends a position as clients see it: without the tag.
func (o object) place(key string, p broker.Position) object {
	if p.IsZero() {
		return append(o.field(key), "null"...)
	}
	o = append(o.field(key), '{')
	return o.name("epoch", p.Epoch.String()).number("offset", p.Offset).end()
}

// appendText appends a JSON string. Beside what JSON demands it escapes U+2028 and
// U+2029, which end a line in JavaScript, and what isn't UTF-8 becomes U+FFFD.
func appendText[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	done := 0 // of s
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		dst = appendEscape(append(dst, s[done:i]...), r)
		i += size
		done = i
	}
	return append(append(dst, s[done:]...), '"')
}

// appendEscape appends a character that can't stand for itself.
func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\t':
		return append(dst, `\t`...)
	case '\n':
		return append(dst, `\n`...)
	case '\f':
		return append(dst, `\f`...)
	case '\r':
		return append(dst, `\r`...)
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// textSize is how long a text becomes, but for characters that are rarely used.
func textSize(s []byte) int {
	return len(s) + bytes.Count(s, []byte(`"`)) + bytes.Count(s, []byte(`\`)) + bytes.Count(s, []byte("\n"))
}
