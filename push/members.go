package push

import (
	"context"
	"slices"

	"github.com/tidewire/tidewire/broker"
)

// Members returns the members of a topic of Options.Presence, over all instances, those that
// came first in front: each is a message whose Key is the user, or a made-up name of
// somebody anonymous that starts with ~, and whose Data is JSON, an object with the time of
// coming in milliseconds since 1970 (since), the user, and what Options.Member has said
// (info).
func (h *Hub) Members(ctx context.Context, topic string) ([]*Message, error) {
	if err := broker.CheckTopic(topic); err != nil {
		return nil, AsError(err)
	}
	if !slices.ContainsFunc(h.presence, func(p broker.Pattern) bool { _, ok := p.Match(topic, ""); return ok }) {
		return nil, errNoMembers
	}
	members, _, err := h.stateOf(ctx, broker.MembersTopic(topic))
	return members, err
}

// MemberCount returns how many members a topic of Options.Presence has, over all instances.
func (h *Hub) MemberCount(ctx context.Context, topic string) (int, error) {
	members, err := h.Members(ctx, topic)
	return len(members), err
}

var errNoMembers = NewError(CodeBadRequest, "the members of this topic aren't kept: Options.Presence says of which they are", nil)

// presenceOf reads Options.Presence, and panics if what it wants can't be.
func presenceOf(b Broker, patterns []string) []broker.Pattern {
	all := make([]broker.Pattern, len(patterns))
	for i, pattern := range patterns {
		all[i] = broker.MustParsePattern(pattern)
	}
	if _, ok := b.(StateBroker); !ok && len(patterns) > 0 {
		panic("push.New: Options.Presence needs a broker with states")
	}
	return all
}
