package push

import (
	"cmp"

	"github.com/tidewire/tidewire/broker"
)

// TopicRule says how a broker treats the topics that a pattern matches. All instances of a
// broker need the same rules. They are in the broker's options, so that a backend that
// only publishes keeps to them too.
type TopicRule struct {
	// Pattern is as in [Rule]. The first rule whose pattern matches a topic counts.
	Pattern string
	// History bounds what is kept of such a topic. Fields that are zero are as in the
	// broker's Options.History, negative ones don't bound. If Age is more than the broker's
	// Options.Keep, the topic keeps its epoch and offset for as long as its messages.
	History broker.History
	// Time tells clients when the broker took each message: the frames have it. It isn't
	// stored with the message, so it holds for old messages too.
	Time bool
}

// TopicRules are rules as a broker looks them up.
type TopicRules struct {
	patterns []pattern
	rules    []TopicRule
	standard TopicRule
}

// NewTopicRules prepares the rules of a broker whose other topics have this history. Like
// [Rules] it panics if a pattern is malformed or can match no topic.
func NewTopicRules(standard broker.History, rules []TopicRule) *TopicRules {
	standard = standard.WithDefaults()
	all := &TopicRules{standard: TopicRule{History: standard}}
	for _, rule := range rules {
		all.patterns = append(all.patterns, mustParsePattern(rule.Pattern))
		rule.History = broker.History{
			Messages: cmp.Or(rule.History.Messages, standard.Messages),
			Bytes:    cmp.Or(rule.History.Bytes, standard.Bytes),
			Age:      cmp.Or(rule.History.Age, standard.Age),
		}.WithDefaults()
		all.rules = append(all.rules, rule)
	}
	return all
}

// Of returns the rule of a topic, with all its history's fields filled. It is shared:
// nobody changes it.
func (all *TopicRules) Of(topic string) *TopicRule {
	for i, p := range all.patterns {
		if _, ok := p.match(topic, ""); ok {
			return &all.rules[i]
		}
	}
	return &all.standard
}
