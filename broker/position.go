package broker

import (
	"strconv"
)

// MaxOffset is the largest offset, so that every offset is exact in
// JavaScript.
const MaxOffset = 1<<53 - 1

// Epoch names the life of a topic's history. No two topics have the same, nobody
// can guess one, and it changes when history is lost. Zero is no epoch.
type Epoch uint64

// String gives the epoch as 16 lower-case hexadecimal digits, as it stands on
// the wire.
func (e Epoch) String() string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = digits[e>>(60-4*i)&15]
	}
	return string(b[:])
}

// ParseEpoch reads what String wrote.
func ParseEpoch(s string) (Epoch, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || Epoch(n).String() != s {
		return 0, BadRequestError("an epoch is 16 hexadecimal digits")
	}
	return Epoch(n), nil
}

// Position is a place in one topic: after the message with this offset. Offset
// 0 is the place before the first message, and its tag is 0.
//
// Epoch and offset alone can't tell a history from its fork: after a failover
// to a replica that lagged, the same epoch gives the same offsets to other
// messages. Tag is the random mark of the message at Offset, so that two
// positions are the same place only if all three are equal.
type Position struct {
	Epoch  Epoch
	Offset uint64
	Tag    uint32
}

// IsZero reports whether p is no position at all.
func (p Position) IsZero() bool { return p == Position{} }

// Reaches reports whether a client at p may have been at earlier before: the two are the
// same, or earlier comes before p in the same epoch.
func (p Position) Reaches(earlier Position) bool {
	return p == earlier || p.Epoch == earlier.Epoch && p.Offset > earlier.Offset
}
