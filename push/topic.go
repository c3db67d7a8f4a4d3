package push

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

// CheckTopic returns nil if topic is a valid name: 1 to MaxTopic bytes of
// UTF-8 without control, format, surrogate, private-use or replacement
// characters, line separators, or white space but single spaces inside.
// * ? [ ] \ are kept for patterns, and names that start with ReservedTopicPrefix
// for hubs. Topics are compared byte for byte; nothing is folded or normalized.
func CheckTopic(topic string) error {
	if strings.HasPrefix(topic, ReservedTopicPrefix) {
		return NewError(CodeBadRequest, "topics that start with tidewire. are reserved", nil)
	}
	return CheckAnyTopic(topic)
}

// CheckAnyTopic is CheckTopic without the rule about reserved names. It is for
// brokers, whose Subscribe, Since and Recent take these names too; what may be
// published is told by Message.Prepare.
func CheckAnyTopic(topic string) error {
	if topic == "" || len(topic) > MaxTopic {
		return NewError(CodeBadRequest, "a topic has 1 to 200 bytes", nil)
	}
	if strings.ContainsAny(topic, `*?[]\`) {
		return NewError(CodeBadRequest, `a topic has none of * ? [ ] \`, nil)
	}
	return checkName("topic", topic)
}

func checkEvent(event string) error {
	if len(event) > MaxEvent {
		return NewError(CodeBadRequest, "an event name has at most 100 bytes", nil)
	}
	if strings.HasPrefix(event, ReservedEventPrefix) {
		return NewError(CodeBadRequest, "event names that start with tidewire. are reserved", nil)
	}
	return checkName("event name", event)
}

func checkKey(key string) error {
	if len(key) > MaxKey {
		return NewError(CodeBadRequest, "a key has at most 200 bytes", nil)
	}
	return checkName("key", key)
}

// checkName refuses what could break out of a header, an event stream's line
// or a log line, and what the eye can't tell apart.
func checkName(what, s string) error {
	if !utf8.ValidString(s) {
		return NewError(CodeBadRequest, what+" is not UTF-8", nil)
	}
	previous := ' '
	for _, r := range s {
		if r == ' ' && previous == ' ' {
			return NewError(CodeBadRequest, what+" has a space at its start, or two together", nil)
		}
		if r != ' ' && (!unicode.IsPrint(r) || r == utf8.RuneError) {
			return NewError(CodeBadRequest, what+" has a character that is not printable", nil)
		}
		previous = r
	}
	if s != "" && previous == ' ' {
		return NewError(CodeBadRequest, what+" ends with a space", nil)
	}
	return nil
}

func checkID(id string) error {
	if len(id) > MaxID {
		return NewError(CodeBadRequest, "a message ID has at most 128 bytes", nil)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return NewError(CodeBadRequest, "a message ID has only visible ASCII", nil)
		}
	}
	return nil
}
