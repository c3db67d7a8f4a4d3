package push

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Encoding says what the bytes of Data are, in a [Message], an [Inbound] and a [Reply].
type Encoding uint8

// The encodings. The zero value is text.
const (
	// EncodingText is UTF-8 text. A client gets it as a string.
	EncodingText Encoding = iota
	// EncodingJSON is one JSON value (RFC 8259). A client gets it as that value, within
	// its frame, and needs no second parse. Publish strips its white space, escapes U+2028
	// and U+2029, and changes nothing else. It must be UTF-8 and nest at most 60 deep, no
	// escape in it may be half of a surrogate pair, and a number must be in the range of a
	// double (IEEE 754) and have at most 1000 characters. Numbers that JavaScript can't hold, such as integers
	// above 2^53, reach a browser rounded.
	EncodingJSON
	// EncodingBinary is any bytes. They travel as base64.
	EncodingBinary
)

// JSON returns the Reply that answers with v, as [json.Marshal] encodes it. The error is
// Marshal's.
func JSON(v any) (Reply, error) {
	data, err := json.Marshal(v)
	return Reply{Data: data, Encoding: EncodingJSON}, err
}

// maxJSONDepth is how deep JSON may nest: parsers of many languages give up at 100, and a
// frame adds to it.
const maxJSONDepth = 60

var (
	errNotUTF8 = NewError(CodeBadRequest, "text is not UTF-8; publish it as binary", nil)
	errNotJSON = NewError(CodeBadRequest, "the data is not JSON", nil)
	errDepth   = NewError(CodeBadRequest, "the JSON nests deeper than 60", nil)
	errHalf    = NewError(CodeBadRequest, "the JSON has half of a surrogate pair", nil)
	errNumber  = NewError(CodeBadRequest, "the JSON has a number that no double holds, or one of more than 1000 characters", nil)
)

// Normalize returns data as it is stored: without white space, if it is JSON. The Error is
// CodeBadRequest if data isn't what the encoding says. Publish and transports call it.
func (e Encoding) Normalize(data []byte) ([]byte, error) {
	switch e {
	case EncodingText:
		if !utf8.Valid(data) {
			return nil, errNotUTF8
		}
	case EncodingJSON:
		return compactJSON(data)
	case EncodingBinary:
	default:
		return nil, NewError(CodeBadRequest, "the encoding is unknown", nil)
	}
	return data, nil
}

// compactJSON checks JSON and strips its white space, if it has any.
func compactJSON(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, errNotJSON
	}
	if bytes.ContainsAny(data, " \t\r\n") {
		var b bytes.Buffer
		b.Grow(len(data))
		if err := json.Compact(&b, data); err != nil {
			return nil, errNotJSON
		}
		data = b.Bytes()
	} else if !json.Valid(data) {
		return nil, errNotJSON
	}
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	return escapeLineEnds(data), nil
}

// escapeLineEnds escapes U+2028 and U+2029, as it is done in text. Some readers of event
// streams end a line there, and could be made to read a field that isn't one.
func escapeLineEnds(data []byte) []byte {
	if !bytes.Contains(data, []byte("\u2028")) && !bytes.Contains(data, []byte("\u2029")) {
		return data
	}
	data = bytes.ReplaceAll(data, []byte("\u2028"), []byte(`\u2028`))
	return bytes.ReplaceAll(data, []byte("\u2029"), []byte(`\u2029`))
}

// checkJSON is stricter with valid JSON than encoding/json: it goes into frames as it is,
// and a frame that a client can't read ends its connection.
func checkJSON(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '[', '{':
			if depth++; depth > maxJSONDepth {
				return errDepth
			}
		case ']', '}':
			depth--
		case '"':
			n, whole := stringEnd(data[i:])
			if !whole {
				return errHalf
			}
			i += n
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			n := numberLength(data[i:])
			if !isDouble(data[i : i+n]) {
				return errNumber
			}
			i += n - 1
		}
	}
	return nil
}

// maxNumber is how long a number in JSON may be, in bytes: common parsers refuse more than
// 1000 characters, or more than 4300 digits.
const maxNumber = 1000

// safeNumber is the longest number that is in the range of a double unless it has an
// exponent.
const safeNumber = 308

// isDouble reports whether a valid JSON number is in the range of a double. Parsers of many
// languages refuse what isn't (RFC 8259 section 6).
func isDouble(number []byte) bool {
	if len(number) > maxNumber {
		return false
	}
	if len(number) <= safeNumber && !bytes.ContainsAny(number, "eE") {
		return true
	}
	_, err := strconv.ParseFloat(string(number), 64)
	return err == nil
}

// numberLength is how long the number is that valid JSON begins with.
func numberLength(data []byte) int {
	for i, c := range data {
		switch {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return i
		}
	}
	return len(data)
}

// stringEnd returns where the closing quote of a valid JSON string is, and whether all of
// its surrogates (RFC 8259 section 7) come in pairs.
func stringEnd(s []byte) (end int, whole bool) {
	for i := 1; ; i++ {
		switch s[i] {
		case '"':
			return i, true
		case '\\':
			i++
			if s[i] != 'u' {
				continue
			}
			i += 4
			switch r := escapedRune(s[i-3:]); {
			case r < 0xD800 || r > 0xDFFF:
			case r <= 0xDBFF && s[i+1] == '\\' && s[i+2] == 'u' && escapedRune(s[i+3:])>>10 == 0xDC00>>10:
				i += 6
			default:
				return i, false
			}
		}
	}
}

// escapedRune reads four hexadecimal digits, which a valid escape has.
func escapedRune(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		r <<= 4
		switch {
		case c <= '9':
			r |= rune(c - '0')
		default:
			r |= rune(c|0x20-'a') + 10
		}
	}
	return r
}
