package websocket

import (
	"net/http"
	"time"
)

// CompressionMode says whether messages may be compressed by
// permessage-deflate (RFC 7692). The client has to offer it as well.
type CompressionMode int

const (
	// CompressionOff declines every offer. It is the default, since
	// compression costs CPU for each message, and a secret compressed next to
	// text of an attacker's choice can be guessed from the length.
	CompressionOff CompressionMode = iota
	// CompressionNoContextTakeover compresses each message on its own. A
	// connection keeps no memory for it between messages.
	CompressionNoContextTakeover
	// CompressionContextTakeover lets a message refer to the messages before
	// it, which pays for many small, similar ones. A connection keeps up to
	// 40 KiB for each direction. A client may still ask for no takeover.
	CompressionContextTakeover
)

// AcceptOptions configures [Accept]. The zero value is the default for
// production. A duration or size that is negative means no limit.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks, best first. The first one
	// that the client offers is chosen; with none in common the connection has
	// no subprotocol, and browsers then drop it if they had offered any.
	Subprotocols []string

	// CheckOrigin decides which web pages may connect, by the Origin header of the
	// request (RFC 6455 section 10.2). The text of its error is the reason that the
	// client gets with the status 403. Nil: [SameOrigin]. Use [AnyOrigin] only for
	// what anyone may see and do.
	CheckOrigin func(r *http.Request) error

	// Refuse writes the answer to a request that isn't acceptable: the refusal's status, and
	// a body. The headers that belong to the status are set on w. Nil: the reason, as text.
	Refuse func(w http.ResponseWriter, refusal *HandshakeError)

	// Compression is off by default.
	Compression CompressionMode

	// CompressionThreshold is the size in bytes of the smallest message that
	// is compressed. Zero: 256.
	CompressionThreshold int

	// MaxMessage is the size in bytes of the largest message to accept, after
	// decompression. A larger one ends the connection with
	// StatusMessageTooBig before it has been received. So does one with more
	// than 1,000 empty fragments, whatever its size. Zero: 32 KiB.
	MaxMessage int64

	// WriteTimeout is how long the peer may take to accept each 128 KiB of what
	// is written, before the connection is dropped. It is also how long a
	// writer that has no context waits for its turn. Zero: 5 s.
	WriteTimeout time.Duration

	// CloseTimeout is how long the closing handshake may take, whoever starts
	// it, until the connection is dropped. Zero: 5 s. It has to have an end, so
	// a negative value means 5 s as well.
	CloseTimeout time.Duration

	// SendBuffer is the size in bytes to ask of the kernel for data on its way
	// to the peer (SO_SNDBUF), for TCP and TLS connections. It bounds what one
	// stalled peer holds. Zero: 64 KiB. Negative: the system decides.
	SendBuffer int

	// AckTimeout is how long the peer's system may leave unacknowledged what was sent to
	// it, before the connection is dropped as dead. So is one over which nothing goes,
	// whose peer's system doesn't answer the kernel's probes for about as long. It is
	// for TCP and TLS connections under Linux; elsewhere there are the probes. Zero:
	// 15 s. Negative: the system decides, which may take a quarter of an hour.
	AckTimeout time.Duration

	// HoldAnswer keeps the answer to the handshake back until something is written,
	// which then goes out with it in one call: for a server that always speaks first, at
	// once. Close sends it too; CloseNow doesn't.
	HoldAnswer bool

	// OnPing and OnPong, if set, are called with each ping and each pong received,
	// by the goroutine that reads, before a ping is answered. They must not
	// read from the connection or Close it, and not keep the payload, which is
	// at most 125 bytes; WriteClose and CloseNow are fine. They serve to limit
	// floods and to move a read deadline.
	OnPing, OnPong func(c *Conn, payload []byte)
}

const (
	defaultThreshold  = 256
	defaultMaxMessage = 32 << 10
	defaultTimeout    = 5 * time.Second
	defaultAckTimeout = 15 * time.Second
	defaultSendBuffer = 64 << 10
)

// withDefaults returns a copy of o, which may be nil, in which zero values are
// replaced by what they stand for, and "no limit" by zero.
func (o *AcceptOptions) withDefaults() *AcceptOptions {
	full := new(AcceptOptions)
	if o != nil {
		*full = *o
	}
	full.CompressionThreshold = orDefault(full.CompressionThreshold, defaultThreshold)
	full.MaxMessage = orDefault(full.MaxMessage, defaultMaxMessage)
	full.WriteTimeout = orDefault(full.WriteTimeout, defaultTimeout)
	full.AckTimeout = orDefault(full.AckTimeout, defaultAckTimeout)
	full.SendBuffer = orDefault(full.SendBuffer, defaultSendBuffer)
	if full.CheckOrigin == nil {
		full.CheckOrigin = SameOrigin
	}
	if full.Refuse == nil {
		full.Refuse = func(w http.ResponseWriter, refusal *HandshakeError) { http.Error(w, refusal.Reason, refusal.Status) }
	}
	if full.CloseTimeout <= 0 {
		full.CloseTimeout = defaultTimeout
	}
	return full
}

// settings is what a connection needs of its options. Connections that are made with the
// same options share it. Zero means no limit.
type settings struct {
	threshold                  int
	maxMessage                 int64
	writeTimeout, closeTimeout time.Duration
	onPing, onPong             func(c *Conn, payload []byte)
}

// settings returns what the connections need of options that are full.
func (o *AcceptOptions) settings() *settings {
	return &settings{
		threshold:    o.CompressionThreshold,
		maxMessage:   o.MaxMessage,
		writeTimeout: o.WriteTimeout,
		closeTimeout: o.CloseTimeout,
		onPing:       o.OnPing,
		onPong:       o.OnPong,
	}
}

func orDefault[T int | int64 | time.Duration](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0
	}
	return v
}
