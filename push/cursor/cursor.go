// Package cursor reads and writes cursors: the text with which a client resumes. A cursor
// has the client's position in each topic that it follows. Clients treat it as opaque;
// docs/protocol.md has the format.
package cursor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// A cursor as text; its bounds are in bytes.
const (
	// Separator joins the cursors of different topics to one.
	Separator = "."
	// MaxBytes is the longest cursor of MaxTopics topics.
	MaxBytes = 2048
	// MaxTopics is how many topics a cursor may have that is sent in a URL or a header.
	MaxTopics = 50
	// MaxRead is the longest cursor that is read.
	MaxRead = 64 << 10
	// Constant is how long the part of one topic's cursor is that stays the same from one
	// message to the next: topic and epoch.
	Constant = 21
)

// Cursor is a client's place in the topics it follows. As text it is opaque to
// clients: a part for each topic, joined by dots, so that the cursors of
// different topics joined by a dot are one cursor of all. A part is a version
// digit and the base64url of
//
//	7 bytes  the first of the SHA-256 of the topic's name
//	8 bytes  epoch, big-endian
//	4 bytes  tag, big-endian; at offset 0, where there is no message and so no
//	         tag, when the cursor was issued, in seconds since 1970
//	1 to 8   offset, as the shortest uvarint
//
// so that topic and epoch are the first [Constant] characters. The hash only
// finds the part again. Where two topics have the same, neither is known; the
// others are. The version digit alone is the cursor of no topic.
type Cursor struct {
	parts []part
	index map[topicHash]int // of parts, if they are many; twice for a topic that is there twice
}

const twice = -1

// Place is a client's place in one topic.
type Place struct {
	Position broker.Position // its tag is 0 at offset 0
	Issued   uint32          // at offset 0: when the cursor was issued, in seconds since 1970
}

type part struct {
	topic topicHash
	Place
}

type topicHash [7]byte

const (
	version = '1'
	fixed   = 7 + 8 + 4
	// Empty is the text of the cursor of no topic.
	Empty = "1"
)

var encoding = base64.RawURLEncoding.Strict()

func hashTopic(topic string) topicHash {
	var name [256]byte // on the stack, enough for any name
	sum := sha256.Sum256(append(name[:0], topic...))
	return topicHash(sum[:len(topicHash{})])
}

// Format gives the cursor of one topic, as issued now.
func Format(topic string, p broker.Position) string {
	place := Place{Position: p}
	if p.Offset == 0 {
		place.Issued = uint32(time.Now().Unix())
	}
	return place.Cursor(topic)
}

// Cursor gives the place as the cursor of one topic.
func (p Place) Cursor(topic string) string { return part{hashTopic(topic), p}.String() }

func (p part) String() string {
	mark := p.Position.Tag
	if p.Position.Offset == 0 {
		mark = p.Issued
	}
	var raw [fixed + binary.MaxVarintLen64]byte
	b := append(raw[:0], p.topic[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Position.Epoch))
	b = binary.BigEndian.AppendUint32(b, mark)
	b = binary.AppendUvarint(b, p.Position.Offset)
	text := make([]byte, 1, 1+encoding.EncodedLen(len(b)))
	text[0] = version
	return string(encoding.AppendEncode(text, b))
}

// Join makes one cursor of the cursors of different topics.
func Join(cursors []string) string {
	if len(cursors) == 0 {
		return Empty
	}
	return strings.Join(cursors, Separator)
}

// Parse reads a cursor, strictly: there is one text for each place (at offset
// 0, one for each second), and anything else is a [broker.BadRequestError]. No text
// means no cursor.
func Parse(s string) (Cursor, error) {
	var c Cursor
	if s == "" || s == Empty {
		return c, nil
	}
	if len(s) > MaxRead {
		return c, errInvalid
	}
	for text := range strings.SplitSeq(s, Separator) {
		p, err := parsePart(text)
		if err != nil {
			return Cursor{}, err
		}
		c.parts = append(c.parts, p)
	}
	if len(c.parts) > MaxTopics {
		c.index = indexOf(c.parts)
	}
	return c, nil
}

func indexOf(parts []part) map[topicHash]int {
	index := make(map[topicHash]int, len(parts))
	for i, p := range parts {
		if _, known := index[p.topic]; known {
			i = twice
		}
		index[p.topic] = i
	}
	return index
}

const errInvalid = broker.BadRequestError("not a cursor")

func parsePart(text string) (part, error) {
	var raw [fixed + binary.MaxVarintLen64]byte
	if len(text) < 2 || text[0] != version || encoding.DecodedLen(len(text)-1) > len(raw) {
		return part{}, errInvalid
	}
	// Decode skips line breaks; a cursor has none.
	if strings.ContainsAny(text, "\r\n") {
		return part{}, errInvalid
	}
	n, err := encoding.Decode(raw[:], []byte(text[1:]))
	if err != nil || n <= fixed {
		return part{}, errInvalid
	}
	b := raw[:n]
	offset, length := binary.Uvarint(b[fixed:])
	shortest := length == 1 || length > 1 && b[n-1] != 0
	if length != n-fixed || !shortest || offset > broker.MaxOffset {
		return part{}, errInvalid
	}
	p := part{topic: topicHash(b[:7])}
	p.Position.Epoch = broker.Epoch(binary.BigEndian.Uint64(b[7:]))
	p.Position.Offset = offset
	if mark := binary.BigEndian.Uint32(b[15:]); offset == 0 {
		p.Issued = mark
	} else {
		p.Position.Tag = mark
	}
	if p.Position.Epoch == 0 {
		return part{}, errInvalid
	}
	return p, nil
}

// Position gives the position in a topic; see [Cursor.Place].
func (c Cursor) Position(topic string) (broker.Position, bool) {
	place, ok := c.Place(topic)
	return place.Position, ok
}

// Place gives the place in a topic, and reports whether the cursor names the topic. If
// it names it twice, which may be another topic with the same hash, the place is
// unknown, and zero.
func (c Cursor) Place(topic string) (found Place, ok bool) {
	hash := hashTopic(topic)
	if c.index != nil {
		switch i, ok := c.index[hash]; {
		case !ok:
			return Place{}, false
		case i == twice:
			return Place{}, true
		default:
			return c.parts[i].Place, true
		}
	}
	for _, p := range c.parts {
		switch {
		case p.topic != hash:
		case ok:
			return Place{}, true
		default:
			found, ok = p.Place, true
		}
	}
	return found, ok
}

// String gives the cursor's text.
func (c Cursor) String() string {
	texts := make([]string, len(c.parts))
	for i, p := range c.parts {
		texts[i] = p.String()
	}
	return Join(texts)
}
