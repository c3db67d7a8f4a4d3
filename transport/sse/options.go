package sse

import "time"

// Options configures a [Transport]. The zero value of each field is its production
// default.
type Options struct {
	// Heartbeat is how often a comment is sent, so that proxies and clients see
	// that the stream lives. Default 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long one write may take before the client counts as
	// too slow. Default 5 s. Over HTTP/2 it ends the stream; that a client leaves the
	// whole connection unread is for http.Server.HTTP2.WriteByteTimeout to see, which
	// has no default.
	WriteTimeout time.Duration
	// AckTimeout is how long the client's system may leave unacknowledged what was sent
	// to it, before the client counts as dead; with the heartbeat that is how long a
	// client whose network is gone holds its place. Default 15 s; negative leaves it to
	// the system. Under Linux, for HTTP/1 and also over TLS: docs/security.md says what
	// there is elsewhere, and over HTTP/2.
	AckTimeout time.Duration
}

// withDefaults returns the options with their defaults in place of zero.
func (o Options) withDefaults() Options {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 5 * time.Second
	}
	if o.AckTimeout == 0 {
		o.AckTimeout = 15 * time.Second
	}
	return o
}
