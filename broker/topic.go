package broker

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of names, in bytes.
const (
	MaxTopic = 200
	MaxEvent = 100
	MaxKey   = 200
	MaxID    = 128
)

// ReservedEventPrefix starts the event names that belong to the protocol.
const ReservedEventPrefix = "tidewire."

// ReservedTopicPrefix starts the topics over which hubs talk to each other.
const ReservedTopicPrefix = "tidewire."

// membersPrefix starts the topics in which hubs keep who follows another topic.
const membersPrefix = ReservedTopicPrefix + "members/"

// MembersTopic returns the state topic whose keys are the members of a topic.
func MembersTopic(of string) string { return membersPrefix + of }

// MembersOf returns the topic whose members a topic has, if it is one of those.
func MembersOf(topic string) (of string, ok bool) { return strings.CutPrefix(topic, membersPrefix) }

// CheckFollowed returns nil if clients may ask for a topic: it passes CheckTopic, or has the
// members of one that does.
func CheckFollowed(topic string) error {
	if of, ok := MembersOf(topic); ok {
		return CheckTopic(of)
	}
	return CheckTopic(topic)
}

// CheckTopic returns nil if topic is a valid name: 1 to MaxTopic bytes of
// UTF-8 without control, format, surrogate, private-use or replacement
// characters, line separators, or white space but single spaces inside.
// * ? [ ] \ are kept for patterns, and names that start with ReservedTopicPrefix
// for hubs. Topics are compared byte for byte; nothing is folded or normalized.
func CheckTopic(topic string) error {
	if strings.HasPrefix(topic, ReservedTopicPrefix) {
		return BadRequestError("topics that start with tidewire. are reserved")
	}
	return CheckAnyTopic(topic)
}

// CheckAnyTopic is CheckTopic without the rule about reserved names. It is for
// brokers, whose Subscribe, Since and Recent take these names too; what may be
// published is told by Message.Prepare.
func CheckAnyTopic(topic string) error {
	if of, ok := MembersOf(topic); ok {
		return CheckTopic(of)
	}
	if topic == "" || len(topic) > MaxTopic {
		return BadRequestError("a topic has 1 to 200 bytes")
	}
	if strings.ContainsAny(topic, `*?[]\`) {
		return BadRequestError(`a topic has none of * ? [ ] \`)
	}
	return checkName("topic", topic)
}

// CheckEvent returns nil if event is a valid event name: at most MaxEvent bytes, by the
// rules of CheckTopic but for patterns, not starting with ReservedEventPrefix. Empty is
// valid.
func CheckEvent(event string) error {
	if len(event) > MaxEvent {
		return BadRequestError("an event name has at most 100 bytes")
	}
	if strings.HasPrefix(event, ReservedEventPrefix) {
		return BadRequestError("event names that start with tidewire. are reserved")
	}
	return checkName("event name", event)
}

// CheckKey returns nil if key is a valid key: at most MaxKey bytes, by the rules of
// CheckTopic but for patterns. Empty is valid.
func CheckKey(key string) error {
	if len(key) > MaxKey {
		return BadRequestError("a key has at most 200 bytes")
	}
	return checkName("key", key)
}

// checkName refuses what could break out of a header, an event stream's line
// or a log line, and what the eye can't tell apart.
func checkName(what, s string) error {
	if !utf8.ValidString(s) {
		return BadRequestError(what + " is not UTF-8")
	}
	previous := ' '
	for _, r := range s {
		if r == ' ' && previous == ' ' {
			return BadRequestError(what + " has a space at its start, or two together")
		}
		if r != ' ' && (!unicode.IsPrint(r) || r == utf8.RuneError) {
			return BadRequestError(what + " has a character that is not printable")
		}
		previous = r
	}
	if s != "" && previous == ' ' {
		return BadRequestError(what + " ends with a space")
	}
	return nil
}

// CheckID returns nil if id is a valid message ID: at most MaxID bytes of visible ASCII.
// Empty is valid.
func CheckID(id string) error {
	if len(id) > MaxID {
		return BadRequestError("a message ID has at most 128 bytes")
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return BadRequestError("a message ID has only visible ASCII")
		}
	}
	return nil
}
