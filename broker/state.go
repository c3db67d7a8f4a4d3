package broker

import (
	"strconv"
	"strings"
)

// Op is what a message does to its topic.
type Op uint8

// The operations. The zero value is for logs, the others are for states.
const (
	OpPublish Op = iota // adds a message
	OpSet               // sets a key to a value
	OpAppend            // adds text to the value of a key
	OpDelete            // deletes a key
	OpTouch             // renews the time to live of a key; it is no message that anybody gets
)

// opNames are the operations as they stand on the wire.
var opNames = [...]string{OpPublish: "publish", OpSet: "set", OpAppend: "append", OpDelete: "delete", OpTouch: "touch"}

// String returns the operation as it stands on the wire.
func (op Op) String() string {
	if int(op) < len(opNames) {
		return opNames[op]
	}
	return "unknown"
}

// ParseOp reads the name of an operation on a state.
func ParseOp(name string) (Op, error) {
	for op, known := range opNames {
		if known == name && Op(op) != OpPublish {
			return Op(op), nil
		}
	}
	return 0, BadRequestError("an operation is set, append, delete or touch")
}

// Version names the last change of a key of a state topic. Offset 0 is that of a key which
// was changed last before the epoch began; two changes never have the same version but for
// that. The zero Version is none.
type Version struct {
	Epoch  Epoch
	Offset uint64
}

// String returns the version as it stands on the wire: the epoch, a hyphen and the offset.
// The zero Version is the empty string.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return v.Epoch.String() + "-" + strconv.FormatUint(v.Offset, 10)
}

// ParseVersion reads what String wrote.
func ParseVersion(s string) (Version, error) {
	if s == "" {
		return Version{}, nil
	}
	epoch, offset, _ := strings.Cut(s, "-")
	e, err := ParseEpoch(epoch)
	n, err2 := strconv.ParseUint(offset, 10, 53)
	v := Version{e, n}
	if err != nil || err2 != nil || v.String() != s {
		return Version{}, BadRequestError("a version is an epoch, a hyphen and an offset")
	}
	return v, nil
}

// VersionError is why a change wasn't made that asked for another version of its key: it is
// the cause of a push.Error with push.CodeConflict.
type VersionError struct {
	// Current is the key's version, and zero if the key isn't there.
	Current Version
}

func (e *VersionError) Error() string {
	if e.Current == (Version{}) {
		return "the key isn't there"
	}
	return "the key is at version " + e.Current.String()
}

// Units counts the UTF-16 code units of a text, which is the length of a string in
// JavaScript.
func Units(text []byte) int {
	n := 0
	for _, b := range text {
		if b&0xC0 != 0x80 { // begins a character
			n++
		}
		if b >= 0xF0 { // of two units
			n++
		}
	}
	return n
}

// SkipUnits returns where a text goes on after so many UTF-16 units, in bytes; within a pair
// of surrogates it is the pair's end.
func SkipUnits(text []byte, units int) int {
	for i, b := range text {
		if b&0xC0 == 0x80 {
			continue
		}
		if units <= 0 {
			return i
		}
		units--
		if b >= 0xF0 {
			units--
		}
	}
	return len(text)
}
