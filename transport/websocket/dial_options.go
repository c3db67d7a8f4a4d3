package websocket

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// DialOptions configures [Dial]. The zero value is the default for production. A
// duration or size that is negative means no limit.
type DialOptions struct {
	// Header is sent with the handshake, as for Authorization, Cookie or Origin. Host is
	// sent in place of the URL's. The headers of the handshake itself are Dial's own.
	Header http.Header

	// Subprotocols are those that the client speaks, best first: tokens of RFC 9110,
	// each once. A server that chooses none is accepted; see [Conn.Subprotocol].
	Subprotocols []string

	// TLS is for wss. Nil: TLS 1.2 or later, and the system's roots. Its NextProtos
	// are ignored, since a WebSocket needs HTTP/1.1.
	TLS *tls.Config

	// DialContext opens the connection below, to which TLS is added for wss. It is that
	// of a net.Dialer, an http.Transport, or one that goes by a proxy. Nil: that of
	// the zero net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Compression is off by default. Else permessage-deflate is offered:
	// CompressionNoContextTakeover for both directions without context takeover,
	// CompressionContextTakeover with it unless the server declines.
	Compression CompressionMode

	// CompressionThreshold is the size in bytes of the smallest message that
	// is compressed. Zero: 256.
	CompressionThreshold int

	// MaxMessage is the size in bytes of the largest message to accept, after
	// decompression, as that of AcceptOptions. Zero: 32 KiB.
	MaxMessage int64

	// WriteTimeout is how long the server may take to accept each 128 KiB of what
	// is written, before the connection is dropped. It is also how long a
	// writer that has no context waits for its turn. Zero: 5 s.
	WriteTimeout time.Duration

	// CloseTimeout is how long the closing handshake may take, whoever starts
	// it, until the connection is dropped, and how long Dial waits for the body of a
	// refusal. Zero or negative: 5 s.
	CloseTimeout time.Duration

	// AckTimeout is how long the server's system may leave unacknowledged what was
	// sent to it, as that of AcceptOptions. Zero: 15 s. Negative: the system decides.
	AckTimeout time.Duration

	// OnPing and OnPong, if set, are called with each ping and each pong received, as
	// those of AcceptOptions.
	OnPing, OnPong func(c *Conn, payload []byte)
}

// withDefaults returns a copy of o, which may be nil, in which zero values are
// replaced by what they stand for, and "no limit" by zero.
func (o *DialOptions) withDefaults() *DialOptions {
	full := new(DialOptions)
	if o != nil {
		*full = *o
	}
	full.CompressionThreshold = orDefault(full.CompressionThreshold, defaultThreshold)
	full.MaxMessage = orDefault(full.MaxMessage, defaultMaxMessage)
	full.WriteTimeout = orDefault(full.WriteTimeout, defaultTimeout)
	full.AckTimeout = orDefault(full.AckTimeout, defaultAckTimeout)
	if full.CloseTimeout <= 0 {
		full.CloseTimeout = defaultTimeout
	}
	if full.DialContext == nil {
		full.DialContext = new(net.Dialer).DialContext
	}
	return full
}

// settings returns what a connection needs of options that are full.
func (o *DialOptions) settings() *settings {
	return &settings{
		threshold:    o.CompressionThreshold,
		maxMessage:   o.MaxMessage,
		writeTimeout: o.WriteTimeout,
		closeTimeout: o.CloseTimeout,
		onPing:       o.OnPing,
		onPong:       o.OnPong,
	}
}
