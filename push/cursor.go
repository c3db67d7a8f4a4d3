package push

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strings"
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
//	6 bytes  hash of the topic's name
//	8 bytes  epoch, big-endian
//	4 bytes  tag, big-endian
//	1 to 8   offset, as the shortest uvarint
//
// The hash only finds the part again; a collision finds a position whose epoch
// and tag then don't fit, which is a gap. The version digit alone is the
// cursor of no topic.
type Cursor struct {
	parts []cursorPart
}

type cursorPart struct {
	topic    topicHash
	position Position
}

type topicHash [6]byte

const (
	cursorVersion = '1'
	cursorFixed   = 6 + 8 + 4
	// EmptyCursor is the text of the cursor of no topic.
	EmptyCursor = "1"
)

var cursorEncoding = base64.RawURLEncoding.Strict()

func hashTopic(topic string) topicHash {
	h := fnv.New64a()
	h.Write([]byte(topic))
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h.Sum64())
	return topicHash(sum[2:])
}

// FormatCursor gives the cursor of one topic.
func FormatCursor(topic string, p Position) string {
	return formatPart(hashTopic(topic), p)
}

func formatPart(topic topicHash, p Position) string {
	var raw [cursorFixed + binary.MaxVarintLen64]byte
	b := append(raw[:0], topic[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Epoch))
	b = binary.BigEndian.AppendUint32(b, p.Tag)
	b = binary.AppendUvarint(b, p.Offset)
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

// ParseCursor reads a cursor, strictly: there is one text for each place, and
// anything else is an error with CodeBadRequest. No text means no cursor.
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
		for _, other := range c.parts {
			if other.topic == part.topic {
				return Cursor{}, errCursor
			}
		}
		c.parts = append(c.parts, part)
	}
	return c, nil
}

var errCursor = Errorf(CodeBadRequest, "not a cursor", nil)

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
	p := Position{
		Epoch:  Epoch(binary.BigEndian.Uint64(b[6:])),
		Tag:    binary.BigEndian.Uint32(b[14:]),
		Offset: offset,
	}
	if p.Epoch == 0 {
		return cursorPart{}, errCursor
	}
	return cursorPart{topic: topicHash(b[:6]), position: p}, nil
}

// Position gives the place in a topic, if the cursor has one.
func (c Cursor) Position(topic string) (Position, bool) {
	hash := hashTopic(topic)
	for _, part := range c.parts {
		if part.topic == hash {
			return part.position, true
		}
	}
	return Position{}, false
}

// String gives the cursor's text.
func (c Cursor) String() string {
	texts := make([]string, len(c.parts))
	for i, part := range c.parts {
		texts[i] = formatPart(part.topic, part.position)
	}
	return JoinCursors(texts)
}
