package transport

import (
	"net/url"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

const (
	ttlForever = "forever" // the ttl of a key that stays
	ifAbsent   = "absent"  // the condition that there is no such key
)

var (
	errTTL         = push.NewError(push.CodeBadRequest, "ttl is more than zero, in seconds or as in 1h30m, or forever", nil)
	errCondition   = push.NewError(push.CodeBadRequest, "if is a version of the key, or absent", nil)
	errManyChanges = push.NewError(push.CodeBadRequest, "a change is of one topic", nil)
)

// readChange makes a message the change of a state topic that the query says: op, ttl and
// if. Without them it stays what it is.
func readChange(m *push.Message, query url.Values) (err error) {
	if query.Has("op") {
		if m.Op, err = broker.ParseOp(query.Get("op")); err != nil {
			return err
		}
		if len(query["topic"]) > 1 {
			return errManyChanges
		}
	}
	if m.Op >= broker.OpDelete && len(m.Data) == 0 {
		m.Encoding = push.EncodingText // whatever the type of a body that isn't there
	}
	if query.Has("ttl") {
		if m.TTL = ttl(query.Get("ttl")); m.TTL == 0 {
			return errTTL
		}
	}
	if !query.Has("if") {
		return nil
	}
	condition := query.Get("if")
	if m.IfAbsent = condition == ifAbsent; m.IfAbsent {
		return nil
	}
	if m.IfVersion, err = broker.ParseVersion(condition); err != nil || condition == "" {
		return errCondition
	}
	return nil
}

// ttl reads a time to live; negative for ever, and 0 if it is none.
func ttl(text string) time.Duration {
	if text == ttlForever {
		return -1
	}
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return max(0, d)
}
