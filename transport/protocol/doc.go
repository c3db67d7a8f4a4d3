// Package protocol has the frames between server and client that all transports share,
// as docs/protocol.md describes them: server.go and client.go are the server's side,
// frame.go, failure.go and request.go a client's, and state.go has both sides of what state
// topics say. Golden files in testdata pin every frame; the TypeScript client reads the same files.
package protocol

// Subprotocol is the WebSocket subprotocol (RFC 6455 section 1.9) in which both
// sides speak. Without it a WebSocket only receives.
const Subprotocol = "tidewire.v" + version

// version is that of the protocol; docs/protocol.md has the rule for the next.
const version = "1"

// features are what this server takes from clients beyond what every server of the
// version does, as JSON: clients look there before they use it.
const features = `["recent","state"]`

// MaxSinceLength is the longest text that is looked at as a cursor, in bytes. A
// longer one is refused; a shorter one that isn't a cursor leads to a gap.
const MaxSinceLength = 4096

// The types of frames.
const (
	TypeWelcome      = "welcome"
	TypeMessage      = "message"
	TypeGap          = "gap"
	TypeState        = "state"
	TypeSynced       = "synced"
	TypeReset        = "reset"
	TypeSubscribed   = "subscribed"
	TypeUnsubscribed = "unsubscribed"
	TypeReply        = "reply"
	TypeError        = "error"
	TypeReconnect    = "reconnect"
	TypePing         = "ping"
	TypePong         = "pong"
	TypeSubscribe    = "subscribe"
	TypeUnsubscribe  = "unsubscribe"
	TypeSend         = "send"
)
