package redisbroker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// bodyVersion is the first byte of every stored message.
const bodyVersion = 2

// The second byte: the encoding, and whether there is more.
const (
	bodyEncoding = 3
	bodyNamed    = 1 << 2
	bodyHeader   = 1 << 3
	bodyChange   = 1 << 4
	bodyFlags    = bodyEncoding | bodyNamed | bodyHeader | bodyChange
)

var errBody = errors.New("redisbroker: not a stored message")

// encodeBody writes what the publisher set: version and flags, then ID, event and key
// with their lengths, the header if there is one, and the data.
func encodeBody(m *push.Message) []byte {
	b := append(make([]byte, 0, m.Size()), bodyVersion, bodyFlagsOf(m))
	return append(appendNames(b, m), m.Data...)
}

func bodyFlagsOf(m *push.Message) byte {
	flags := byte(m.Encoding)
	if m.Named {
		flags |= bodyNamed
	}
	if len(m.Header) > 0 {
		flags |= bodyHeader
	}
	return flags
}

func appendNames(b []byte, m *push.Message) []byte {
	for _, s := range []string{m.ID, m.Event, m.Key} {
		b = appendString(b, s)
	}
	if len(m.Header) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Header)))
		for _, name := range slices.Sorted(maps.Keys(m.Header)) {
			b = appendString(appendString(b, name), m.Header[name])
		}
	}
	return b
}

// encodeChange writes a change of a state: behind the flags its operation, where an append
// begins, and the milliseconds of its TTL. Only the script knows where that is, and writes it
// between start and rest, in eight hexadecimal digits. Behind rest comes the data.
func encodeChange(m *push.Message) (start, rest []byte) {
	rest = binary.AppendUvarint(make([]byte, 0, m.Size()-len(m.Data)), uint64(m.TTL.Milliseconds()))
	return []byte{bodyVersion, bodyFlagsOf(m) | bodyChange, byte(m.Op)}, appendNames(rest, m)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeBody reads what encodeBody wrote. It checks the parts again: whoever may
// write to Redis must not be able to break out of an event's line.
func decodeBody(m *push.Message, body string) error {
	if len(body) < 2 || body[0] != bodyVersion || body[1]&^bodyFlags != 0 {
		return errBody
	}
	m.Encoding, m.Named = push.Encoding(body[1]&bodyEncoding), body[1]&bodyNamed != 0
	r := bodyReader{rest: body[2:]}
	if body[1]&bodyChange != 0 {
		r.change(m)
	}
	m.ID, m.Event, m.Key = r.string(), r.string(), r.string()
	if body[1]&bodyHeader != 0 {
		m.Header = r.header()
	}
	if r.broken || m.ID == "" {
		return errBody
	}
	m.Data = []byte(r.rest)
	return m.Check(len(m.Data))
}

// bodyReader takes a body apart. Once it is broken it reads nothing more.
type bodyReader struct {
	rest   string
	broken bool
}

// change reads what a change has besides.
func (r *bodyReader) change(m *push.Message) {
	m.Op = broker.Op(r.take(1)[0])
	switch m.Op {
	case broker.OpSet, broker.OpDelete:
	case broker.OpAppend:
		start := r.take(8)
		n, err := strconv.ParseUint(start, 16, 31)
		m.Start = int(n)
		r.broken = r.broken || err != nil || fmt.Sprintf("%08x", n) != start
	default:
		r.broken = true
	}
	ttl := r.uvarint()
	m.TTL = milliseconds(int64(min(ttl, math.MaxInt64)))
	r.broken = r.broken || uint64(m.TTL.Milliseconds()) != ttl
}

// take reads so many bytes, or as many zeros.
func (r *bodyReader) take(n int) string {
	if len(r.rest) < n {
		r.broken, r.rest = true, ""
		return string(make([]byte, n))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// length reads the length of what follows, which has at least as many bytes.
func (r *bodyReader) length() int {
	n := r.uvarint()
	if uint64(len(r.rest)) < n {
		r.broken, r.rest = true, ""
		return 0
	}
	return int(n)
}

// uvarint reads a number.
func (r *bodyReader) uvarint() uint64 {
	n, size := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 {
		r.broken, r.rest = true, ""
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *bodyReader) string() string {
	n := r.length()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *bodyReader) header() map[string]string {
	n := r.length()
	if n == 0 { // encodeBody has a flag for that
		r.broken = true
	}
	header := map[string]string{}
	for ; n > 0 && !r.broken; n-- {
		name := r.string()
		header[name] = r.string()
	}
	return header
}

// content is what a repeated message must have in common with the first.
func content(m *push.Message) string {
	without := *m
	without.ID, without.Named, without.Header, without.TTL = "", false, nil, 0
	body := encodeBody(&without)
	if m.Op != broker.OpPublish {
		start, rest := encodeChange(&without)
		body = slices.Concat(start, rest, m.Data)
	}
	sum := sha256.Sum256(body)
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}
