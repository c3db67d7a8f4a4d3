package client

import (
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
)

// moved returns the cursor of a topic after a message that moves it to at, as
// docs/protocol.md says; empty if the message doesn't, or nothing is known that it moves.
func moved(from, at string) string {
	if at == "" || len(from) < cursor.Constant {
		return ""
	}
	return from[:cursor.Constant] + at
}

// positionOf reads a topic's position out of its cursor; zero if that is of a version that
// isn't known here.
func positionOf(text, topic string) broker.Position {
	parsed, err := cursor.Parse(text)
	if err != nil {
		return broker.Position{}
	}
	p, _ := parsed.Position(topic)
	return p
}
