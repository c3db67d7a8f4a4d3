package push

import (
	"context"
	"time"
)

// Identity is who a client is, as Options.Identify found it in the request.
type Identity struct {
	// User names the user; empty is anonymous.
	User string
	// Expires ends the client's connections at that time, plus ten seconds of
	// grace. Zero is never.
	Expires time.Time
	// Issued is when the user has proved who they are, such as the time of the login.
	// After Hub.Revoke only a later one is good. Zero isn't known.
	Issued time.Time
	// Claims is whatever else the application knows of the user, for Authorize
	// and Receive.
	Claims any
}

// Action is what a client wants to do with a topic.
type Action string

// The actions.
const (
	ActionFollow Action = "follow" // get the topic's messages, from now on
	ActionResume Action = "resume" // get the topic's messages, from a cursor on or with the last ones
	ActionSend   Action = "send"   // hand a message to Options.Receive
	// ActionMembers is to see who follows the topic; see Options.Presence.
	ActionMembers Action = "members"
)

// Access is one question to Options.Authorize.
type Access struct {
	Identity Identity
	Action   Action
	Topic    string

	rule *compiled // that is asked; nil if there are no Rules
}

// Anyone is the Authorize for public topics: anyone may follow, send, and see the members of
// those of Options.Presence.
func Anyone(context.Context, Access) error { return nil }

// Inbound is a message from a client.
type Inbound struct {
	Identity Identity
	// Session is the sender's connection; empty if the message came by POST.
	Session string
	// ID is what the client named the message for a safe retry, or empty.
	ID       string
	Topic    string
	Event    string
	Data     []byte
	Encoding Encoding
}

// Message gives what the client sent as a message to publish, with the client's
// ID, so that a retry of the client is stored once.
func (in Inbound) Message() Message {
	return Message{ID: in.ID, Topic: in.Topic, Event: in.Event, Data: in.Data, Encoding: in.Encoding}
}

// Reply answers an Inbound. The zero Reply says only "done". [JSON] makes one of a value.
type Reply struct {
	Data     []byte
	Encoding Encoding
}
