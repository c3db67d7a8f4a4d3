package push

import (
	"context"

	"github.com/tidewire/tidewire/broker"
)

// Rule says who may do what with the topics that a pattern matches.
//
// A pattern is a topic in which wildcards stand for whole segments between
// slashes, as in the patterns of [net/http.ServeMux]: {name} is one segment that
// isn't empty, and {name...} as the last one is all the rest, which may be empty
// or have slashes. Everything else is matched byte for byte, as topics are:
// nothing is decoded, cleaned or folded, so what a rule has seen is what is used.
// A topic with a brace in it is matched by wildcards only.
type Rule struct {
	Pattern string
	// Follow is asked about following and resuming such topics, Send about
	// messages to them, and Members about seeing who follows them; Access.Action says
	// which it is. Nil refuses. [Anyone] is good here.
	Follow, Send, Members func(ctx context.Context, a Access) error
}

type compiled struct {
	Rule
	pattern broker.Pattern
}

// Rules makes an Options.Authorize of rules for patterns. The first rule whose pattern
// matches the topic decides, whatever the action; a topic that none matches is refused.
// What the rules read of the topic's parts is [Access.PathValue].
//
// It panics if a pattern is malformed or can match no topic, as net/http.ServeMux.Handle
// does: patterns are part of the program.
func Rules(rules ...Rule) func(ctx context.Context, a Access) error {
	all := make([]compiled, len(rules))
	for i, rule := range rules {
		all[i] = compiled{rule, broker.MustParsePattern(rule.Pattern)}
	}
	return func(ctx context.Context, a Access) error {
		for i := range all {
			if _, ok := all[i].pattern.Match(a.Topic, ""); ok {
				return all[i].authorize(ctx, a)
			}
		}
		return CodeForbidden
	}
}

// authorize asks the rule.
func (rule *compiled) authorize(ctx context.Context, a Access) error {
	var allow func(ctx context.Context, a Access) error
	switch a.Action {
	case ActionFollow, ActionResume:
		allow = rule.Follow
	case ActionSend:
		allow = rule.Send
	case ActionMembers:
		allow = rule.Members
	}
	if allow == nil {
		return CodeForbidden
	}
	a.rule = rule
	return allow(ctx, a)
}

// PathValue gives the part of the topic that the wildcard of this name stands for
// in the pattern of the [Rule] that is asked; empty if there is none.
func (a Access) PathValue(name string) string {
	if a.rule == nil {
		return ""
	}
	value, _ := a.rule.pattern.Match(a.Topic, name)
	return value
}
