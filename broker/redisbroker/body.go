package redisbroker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/tidewire/tidewire/push"
)

// bodyVersion is the first byte of every stored message.
const bodyVersion = 1

var errBody = errors.New("redisbroker: not a stored message")

// encodeBody writes what the publisher set: version, whether it is binary, then ID,
// event and key with their lengths, and the data.
func encodeBody(m *push.Message) []byte {
	b := make([]byte, 0, m.Size())
	b = append(b, bodyVersion, 0)
	if m.Binary {
		b[1] = 1
	}
	for _, s := range []string{m.ID, m.Event, m.Key} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, m.Data...)
}

// decodeBody reads what encodeBody wrote. It checks the parts again: whoever may
// write to Redis must not be able to break out of an event's line.
func decodeBody(m *push.Message, body string) error {
	if len(body) < 2 || body[0] != bodyVersion || body[1] > 1 {
		return errBody
	}
	m.Binary = body[1] == 1
	rest := body[2:]
	for _, field := range []*string{&m.ID, &m.Event, &m.Key} {
		n, size := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen16)]))
		if size <= 0 || uint64(len(rest)-size) < n {
			return errBody
		}
		*field, rest = rest[size:size+int(n)], rest[size+int(n):]
	}
	m.Data = []byte(rest)
	if m.ID == "" {
		return errBody
	}
	return m.Check(len(m.Data))
}

// content is what a repeated message must have in common with the first.
func content(m *push.Message) string {
	without := *m
	without.ID = ""
	sum := sha256.Sum256(encodeBody(&without))
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}
