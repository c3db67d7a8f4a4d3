package keymap

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Why a change is refused, in words that a client may read.
const (
	NotText       = "the value isn't text, and only text can be appended to"
	ValueTooLarge = "the value would be larger than the topic's values may be"
	TooManyKeys   = "the topic has as many keys as it may"
	TooManyBytes  = "the topic's keys and values would have more bytes than they may"
	otherVersion  = "the key isn't as the change asks for"
	noSuchKey     = "there is no such key"
)

// Conflict is the error of a change that asks for another version of its key than it has;
// the zero Version if it isn't there.
func Conflict(current broker.Version) error {
	reason := otherVersion
	if current == (broker.Version{}) {
		reason = noSuchKey
	}
	return push.NewError(push.CodeConflict, reason, &broker.VersionError{Current: current})
}

// TTL is how long a key stays after a change that says what m.TTL does, by the topic's rule:
// at least a millisecond, or zero for ever. That of a log's message is zero.
func TTL(m *push.Message, rule *broker.TopicRule) time.Duration {
	ttl := m.TTL
	if ttl == 0 {
		ttl = rule.TTL
	}
	if ttl <= 0 || m.Op == broker.OpDelete || m.Op == broker.OpPublish {
		return 0
	}
	return max(ttl.Truncate(time.Millisecond), time.Millisecond)
}
