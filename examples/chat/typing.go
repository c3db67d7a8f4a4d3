package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	// typingEvent is the event of what a page sends while its user types, at most every two
	// seconds.
	typingEvent = "typing"
	// typingFor is how long somebody types who doesn't say so again.
	typingFor = 3 * time.Second
)

// typing notes that a guest types, for all pages that follow the room. If nothing more
// comes the key ends by itself.
func (c *chat) typing(ctx context.Context, in push.Inbound, room string) (push.Reply, error) {
	if in.Identity.User == "" {
		return push.Reply{}, push.NewError(push.CodeForbidden, "who types must have a name; see POST /me", nil)
	}
	name, err := json.Marshal(in.Identity.Claims)
	if err != nil {
		return push.Reply{}, err
	}
	_, err = c.hub.Set(ctx, push.Message{Topic: typingPrefix + room, Key: in.Identity.User, Data: name, Encoding: push.EncodingJSON})
	return push.Reply{}, err
}

// typed notes that a guest has posted what they typed.
func (c *chat) typed(ctx context.Context, in push.Inbound, room string) {
	if in.Identity.User != "" {
		_, _ = c.hub.Delete(ctx, push.Message{Topic: typingPrefix + room, Key: in.Identity.User}) // it ends anyway
	}
}
