package broker

import (
	"cmp"
	"strings"
	"time"
)

// TopicRule says how a broker treats the topics that a pattern matches. All instances of a
// broker need the same rules. They are in the broker's options, so that a backend that
// only publishes keeps to them too.
type TopicRule struct {
	// Pattern is as in push.Rule. The first rule whose pattern matches a topic counts. None
	// is about topics that start with ReservedTopicPrefix.
	Pattern string
	// History bounds what is kept of such a topic. Fields that are zero are as in the
	// broker's Options.History, negative ones don't bound. If Age is more than the broker's
	// Options.Keep, the topic keeps its epoch and offset for as long as its messages. The
	// history of a state is that of its changes: a client whose cursor it reaches gets only
	// what has changed.
	History History
	// Time tells clients when the broker took each message: the frames have it. It isn't
	// stored with the message, so it holds for old messages too.
	Time bool

	// State makes such a topic a state: a map of keys to values that the broker keeps, and
	// that clients get as a snapshot and its changes. It is changed by push.StatePublisher.
	// A topic's kind is stored with it: it can't change while the topic is kept.
	State bool
	// MaxKeys bounds the keys of a state, MaxValue each value, and MaxBytes all keys and
	// values together, in bytes. Default, and at most, 10,000 keys, 256 KiB and 4 MiB.
	MaxKeys, MaxValue, MaxBytes int
	// Interval is the least time between two batches of changes that clients of a state are
	// told: those that come meanwhile are told together, of each key the newest. A client
	// that connects gets at once what it lacks; one that polls waits for the next batch if
	// it lacks nothing else. Zero is at once.
	Interval time.Duration
	// TTL is how long a key of a state stays that no change and no touch renews, if the
	// change doesn't say. Zero is for ever.
	TTL time.Duration
}

// The most that a state may have.
const (
	MaxStateKeys  = 10_000
	MaxStateValue = 256 << 10
	MaxStateBytes = 4 << 20
)

// withDefaults fills what is zero, the history from the standard.
func withDefaults(rule TopicRule, standard History) TopicRule {
	rule.History = History{
		Messages: cmp.Or(rule.History.Messages, standard.Messages),
		Bytes:    cmp.Or(rule.History.Bytes, standard.Bytes),
		Age:      cmp.Or(rule.History.Age, standard.Age),
	}.WithDefaults()
	rule.MaxKeys = upTo(rule.MaxKeys, MaxStateKeys)
	rule.MaxValue = upTo(rule.MaxValue, MaxStateValue)
	rule.MaxBytes = upTo(rule.MaxBytes, MaxStateBytes)
	rule.TTL = max(0, rule.TTL)
	return rule
}

// upTo is a bound that is positive and at most the largest, which is also its default.
func upTo(n, largest int) int {
	if n <= 0 {
		return largest
	}
	return min(n, largest)
}

// CheckOp returns a [WrongKindError] for what can't be done with such a topic.
func (rule *TopicRule) CheckOp(op Op) error {
	switch {
	case rule.State && op == OpPublish:
		return WrongKindError("the topic is a state: it is changed by an op: set, append, delete or touch")
	case !rule.State && op != OpPublish:
		return WrongKindError("the topic is a log: no rule of the broker makes it a state, with keys to be changed")
	}
	return nil
}

// CheckState returns a [WrongKindError] for a topic that has no keys to be read.
func (rule *TopicRule) CheckState() error {
	if !rule.State {
		return WrongKindError("the topic is a log: it has no keys")
	}
	return nil
}

// members is the rule of the topics that have the members of others.
var members = withDefaults(TopicRule{State: true, Interval: 500 * time.Millisecond, MaxValue: 8 << 10}, History{}.WithDefaults())

// TopicRules are rules as a broker looks them up.
type TopicRules struct {
	patterns []Pattern
	rules    []TopicRule
	standard TopicRule
}

// NewTopicRules prepares the rules of a broker whose other topics have this history. Like
// push.Rules it panics if a pattern is malformed or can match no topic.
func NewTopicRules(standard History, rules []TopicRule) *TopicRules {
	standard = standard.WithDefaults()
	all := &TopicRules{standard: withDefaults(TopicRule{}, standard)}
	for _, rule := range rules {
		all.patterns = append(all.patterns, MustParsePattern(rule.Pattern))
		all.rules = append(all.rules, withDefaults(rule, standard))
	}
	return all
}

// Of returns the rule of a topic, with all its fields filled. It is shared: nobody
// changes it. No rule is about topics with reserved names, which are the hubs' own.
func (all *TopicRules) Of(topic string) *TopicRule {
	if strings.HasPrefix(topic, ReservedTopicPrefix) {
		if _, ok := MembersOf(topic); ok {
			return &members
		}
		return &all.standard
	}
	for i, p := range all.patterns {
		if _, ok := p.Match(topic, ""); ok {
			return &all.rules[i]
		}
	}
	return &all.standard
}
