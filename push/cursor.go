package push

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// A cursor as text; its bounds are in bytes.
const (
	// CursorSeparator joins the cursors of different topics to one.
	CursorSeparator = "."
	// MaxCursor is the longest cursor that is read.
	MaxCursor = 2048
	// MaxCursorTopics is how many topics always fit into one cursor.
	MaxCursorTopics = 50
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
// so that topic and epoch are the first cursorPlace characters. The hash only
// finds the part again. Where two topics have the same, neither is known; the
// others are. The version digit alone is the cursor of no topic.
type Cursor struct {
	parts []cursorPart
}

type cursorPart struct {
	topic    topicHash
	position Position // its tag is 0 at offset 0
	issued   uint32   // at offset 0, in seconds since 1970
}

type topicHash [7]byte

const (
	cursorVersion = '1'
	cursorPlace   = 1 + (7+8)*4/3
	cursorFixed   = 7 + 8 + 4
	// EmptyCursor is the text of the cursor of no topic.
	EmptyCursor = "1"
)

var cursorEncoding = base64.RawURLEncoding.Strict()

func hashTopic(topic string) topicHash {
	var name [MaxTopic]byte // on the stack
	sum := sha256.Sum256(append(name[:0], topic...))
	return topicHash(sum[:len(topicHash{})])
}

// FormatCursor gives the cursor of one topic, as issued now.
func FormatCursor(topic string, p Position) string {
	part := cursorPart{topic: hashTopic(topic), position: p}
	if p.Offset == 0 {
		part.issued = seconds(time.Now())
	}
	return part.String()
}

// seconds gives a time as a cursor has it.
func seconds(t time.Time) uint32 { return uint32(t.Unix()) }

func (part cursorPart) String() string {
	mark := part.position.Tag
	if part.position.Offset == 0 {
		mark = part.issued
	}
	var raw [cursorFixed + binary.MaxVarintLen64]byte
	b := append(raw[:0], part.topic[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(part.position.Epoch))
	b = binary.BigEndian.AppendUint32(b, mark)
	b = binary.AppendUvarint(b, part.position.Offset)
	text := make([]byte, 1, 1+cursorEncoding.EncodedLen(len(b)))
	text[0] = cursorVersion
	return string(cursorEncoding.AppendEncode(text, b))
}

// JoinCursors makes one cursor of the cursors of different topics.
func JoinCursors(cursors []string) string {
	if len(cursors) == 0 {
		return EmptyCursor
	}
	return strings.Join(cursors, CursorSeparator)
}

// ParseCursor reads a cursor, strictly: there is one text for each place (at offset
// 0, one for each second), and anything else is a [BadRequest]. No text
// means no cursor.
func ParseCursor(s string) (Cursor, error) {
	var c Cursor
	if s == "" || s == EmptyCursor {
		return c, nil
	}
	if len(s) > MaxCursor {
		return c, errCursor
	}
	for text := range strings.SplitSeq(s, CursorSeparator) {
		part, err := parseCursorPart(text)
		if err != nil {
			return Cursor{}, err
		}
		c.parts = append(c.parts, part)
	}
	return c, nil
}

const errCursor = BadRequest("not a cursor")

func parseCursorPart(text string) (cursorPart, error) {
	var raw [cursorFixed + binary.MaxVarintLen64]byte
	if len(text) < 2 || text[0] != cursorVersion || cursorEncoding.DecodedLen(len(text)-1) > len(raw) {
		return cursorPart{}, errCursor
	}
	// Decode skips line breaks; a cursor has none.
	if strings.ContainsAny(text, "\r\n") {
		return cursorPart{}, errCursor
	}
	n, err := cursorEncoding.Decode(raw[:], []byte(text[1:]))
	if err != nil || n <= cursorFixed {
		return cursorPart{}, errCursor
	}
	b := raw[:n]
	offset, length := binary.Uvarint(b[cursorFixed:])
	shortest := length == 1 || length > 1 && b[n-1] != 0
	if length != n-cursorFixed || !shortest || offset > MaxOffset {
		return cursorPart{}, errCursor
	}
	part := cursorPart{topic: topicHash(b[:7])}
	part.position.Epoch = Epoch(binary.BigEndian.Uint64(b[7:]))
	part.position.Offset = offset
	if mark := binary.BigEndian.Uint32(b[15:]); offset == 0 {
		part.issued = mark
	} else {
		part.position.Tag = mark
	}
	if part.position.Epoch == 0 {
		return cursorPart{}, errCursor
	}
	return part, nil
}

// Position gives the place in a topic, and reports whether the cursor names the
// topic. If it names it twice, which may be another topic with the same hash, the
// place isn't known, and zero.
func (c Cursor) Position(topic string) (Position, bool) {
	part, ok := c.part(topic)
	return part.position, ok
}

func (c Cursor) part(topic string) (found cursorPart, ok bool) {
	hash := hashTopic(topic)
	for _, part := range c.parts {
		switch {
		case part.topic != hash:
		case ok:
			return cursorPart{topic: hash}, true
		default:
			found, ok = part, true
		}
	}
	return found, ok
}

// String gives the cursor's text.
func (c Cursor) String() string {
	texts := make([]string, len(c.parts))
	for i, part := range c.parts {
		texts[i] = part.String()
	}
	return JoinCursors(texts)
}
