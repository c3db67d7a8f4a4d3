package ws

import "time"

// Options configures a [Transport]. The zero value of each field is its production
// default.
type Options struct {
	// Heartbeat is how often the server pings. Default 25 s.
	Heartbeat time.Duration
	// PongTimeout is how long the answer to a ping may take before the client
	// counts as dead. Default 10 s.
	PongTimeout time.Duration
	// WriteTimeout is how long one write may take before the client counts as
	// too slow. Default 5 s.
	WriteTimeout time.Duration
	// AckTimeout is how long the client's system may leave unacknowledged what was sent
	// to it, before the client counts as dead. Default 15 s; negative leaves it to the
	// system. See [websocket.AcceptOptions].
	AckTimeout time.Duration
	// MaxFrame is the largest frame from a client, in bytes. Default 64 KiB. The
	// data of a message in it is bounded by push.Options.MaxInbound besides.
	MaxFrame int64
	// Compression offers permessage-deflate (RFC 7692) without context takeover, so
	// that a message is compressed once for all clients that agree. Off by default: it
	// costs CPU, and a secret compressed next to text of an attacker's choice can be
	// guessed from the length.
	Compression bool
}

// withDefaults returns the options with their defaults in place of zero. Those that are
// zero still have theirs in package websocket.
func (o Options) withDefaults() Options {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 25 * time.Second
	}
	if o.PongTimeout <= 0 {
		o.PongTimeout = 10 * time.Second
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = 64 << 10
	}
	return o
}
