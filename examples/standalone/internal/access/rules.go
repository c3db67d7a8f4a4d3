package access

import (
	"context"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
)

// rule is a rule of the configuration.
type rule struct {
	config.AccessRule
	pattern broker.Pattern
}

func newRules(rules []config.AccessRule) []rule {
	all := make([]rule, len(rules))
	for i, r := range rules {
		all[i] = rule{r, broker.MustParsePattern(r.Pattern)} // Check has seen it
	}
	return all
}

// servesAnonymous reports whether some rule allows something to those that have no token.
func (u *Users) servesAnonymous() bool {
	for _, r := range u.rules {
		if r.Follow == config.Anyone || r.Send == config.Anyone || r.Members == config.Anyone {
			return true
		}
	}
	return false
}

// authorize allows what the rules allow, or what the user's token says.
func (u *Users) authorize(ctx context.Context, a push.Access) error {
	if u.allows(a) {
		return nil
	}
	if u.tokens != nil && u.tokens.Authorize(ctx, a) == nil {
		return nil
	}
	if a.Action == push.ActionSend && u.relay {
		a.Action = push.ActionFollow
		return u.authorize(ctx, a)
	}
	return push.CodeForbidden
}

// allows asks the configuration.
func (u *Users) allows(a push.Access) bool {
	if u.anyone && a.Action != push.ActionSend {
		return true
	}
	for _, r := range u.rules {
		if _, ok := r.pattern.Match(a.Topic, ""); ok {
			return r.allows(a)
		}
	}
	return false
}

func (r *rule) allows(a push.Access) bool {
	var who string
	switch a.Action {
	case push.ActionFollow, push.ActionResume:
		who = r.Follow
	case push.ActionSend:
		who = r.Send
	case push.ActionMembers:
		who = r.Members
	}
	switch who {
	case "":
		return false
	case config.Anyone:
		return true
	case config.AnyUser:
		return a.Identity.User != ""
	}
	name, _ := config.Wildcard(who)
	value, _ := r.pattern.Match(a.Topic, name)
	return value != "" && value == a.Identity.User
}
