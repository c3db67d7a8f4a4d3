package main

import (
	"regexp"
	"strings"

	"github.com/tidewire/tidewire/push"
)

// roomPattern is what a room may be called. Only ASCII, so that no two names
// look the same.
const roomPattern = `[a-z0-9][a-z0-9-]{0,29}`

var roomName = regexp.MustCompile(`^` + roomPattern + `$`)

const topicPrefix = "chat/"

// roomOf returns the room of a topic, if it is one of a room.
func roomOf(topic string) (string, error) {
	room, ok := strings.CutPrefix(topic, topicPrefix)
	if !ok || !roomName.MatchString(room) {
		return "", push.NewError(push.CodeForbidden, "there is no such room", nil)
	}
	return room, nil
}
