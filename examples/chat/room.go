package main

import (
	"context"
	"regexp"

	"github.com/tidewire/tidewire/push"
)

// roomPattern is what a room may be called. Only ASCII, so that no two names
// look the same.
const roomPattern = `[a-z0-9][a-z0-9-]{0,29}`

var roomName = regexp.MustCompile(`^` + roomPattern + `$`)

const (
	topicPrefix  = "chat/"   // before a room: its posts
	typingPrefix = "typing/" // before a room: who types there
)

// isRoom refuses topics of rooms that can't be.
func isRoom(_ context.Context, a push.Access) error {
	if !roomName.MatchString(a.PathValue("room")) {
		return push.NewError(push.CodeForbidden, "there is no such room", nil)
	}
	return nil
}
