package push

import "context"

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
	// messages to them; Access.Action says which it is. Nil refuses. [Anyone] is
	// good here.
	Follow, Send Authorize
}

// Rules are an [Authorize] made of rules for patterns. The first rule whose
// pattern matches the topic decides, whatever the action; a topic that none
// matches is refused. Of the topic's parts the rules read with
// [Access.PathValue].
type Rules struct{ rules []compiled }

type compiled struct {
	Rule
	pattern pattern
}

// NewRules makes rules, in this order. It panics if a pattern is malformed or can
// match no topic, as net/http.ServeMux.Handle does: patterns are part of the
// program.
func NewRules(rules ...Rule) *Rules {
	r := &Rules{make([]compiled, len(rules))}
	for i, rule := range rules {
		p, err := parsePattern(rule.Pattern)
		if err != nil {
			panic("push: pattern " + rule.Pattern + ": " + err.Error())
		}
		r.rules[i] = compiled{rule, p}
	}
	return r
}

// Authorize is the Authorize that the rules make, for [Options].
func (r *Rules) Authorize(ctx context.Context, a Access) error {
	for i := range r.rules {
		rule := &r.rules[i]
		if _, ok := rule.pattern.match(a.Topic, ""); !ok {
			continue
		}
		var allow Authorize
		switch a.Action {
		case ActionFollow, ActionResume:
			allow = rule.Follow
		case ActionSend:
			allow = rule.Send
		}
		if allow == nil {
			return CodeForbidden
		}
		a.rule = rule
		return allow(ctx, a)
	}
	return CodeForbidden
}

// PathValue gives the part of the topic that the wildcard of this name stands for
// in the pattern of the [Rule] that is asked; empty if there is none.
func (a Access) PathValue(name string) string {
	if a.rule == nil {
		return ""
	}
	value, _ := a.rule.pattern.match(a.Topic, name)
	return value
}
