package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/transport/internal/socket"
)

// HandshakeError is why [Accept] refused a request. The client has been
// answered with Status by then.
type HandshakeError struct {
	Status int    // HTTP status code
	Reason string // for the client as well
	Err    error  // the cause on this side, may be nil
}

func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("websocket: handshake refused with %d: %s", e.Status, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *HandshakeError) Unwrap() error { return e.Err }

const protocolVersion = "13"

// Accept answers the opening handshake of RFC 6455 section 4.2 and returns the
// connection. opts may be nil.
//
// Headers already set on w are part of the answer. The connection is taken over
// through http.ResponseController, so that middleware which wraps w has to offer
// either Hijack or Unwrap. From then on the connection depends neither on the
// server's timeouts nor on the request's context, and the handler may return
// while it is in use; the caller has to close it.
//
// A request that isn't acceptable has been answered when Accept returns the
// error, a [*HandshakeError], which has the status: 400 for a handshake with a
// mistake in it, HTTP/1.0 or a body; 403 for the wrong Origin; 405 for a method
// other than GET; 426 for a request that isn't a WebSocket handshake, or one of
// another version; 500 when the connection can't be taken over; 501 for HTTP/2.
// Any other error means that the client was gone before it got the answer.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	return accept(w, r, opts.withDefaults())
}

// accept is Accept with options that are full, and shared.
func accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	if refusal := checkHandshake(r, o); refusal != nil {
		return nil, o.refuse(w, r, refusal)
	}

	netConn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		reason := "the connection can't be taken over"
		if errors.Is(err, http.ErrNotSupported) {
			reason = fmt.Sprintf("a middleware hides the connection: its %T has neither Hijack nor Unwrap", w)
		}
		return nil, o.refuse(w, r, &HandshakeError{http.StatusInternalServerError, reason, err})
	}

	socket.Tune(netConn, o.SendBuffer)
	subprotocol := chooseSubprotocol(r.Header.Values("Sec-WebSocket-Protocol"), o.Subprotocols)
	deflate, extensions := negotiateDeflate(r.Header.Values("Sec-WebSocket-Extensions"), o.Compression)
	c := newConn(netConn, takeBuffered(buffered.Reader), subprotocol, deflate, o)
	if err := c.writeSwitch(acceptKey(r.Header.Get("Sec-WebSocket-Key")), extensions, w.Header()); err != nil {
		_ = c.CloseNow() // never fails
		return nil, fmt.Errorf("websocket: accept: %w", err)
	}
	return c, nil
}

// checkHandshake returns why r can't become a WebSocket connection, or nil.
func checkHandshake(r *http.Request, o *AcceptOptions) *HandshakeError {
	bad := func(reason string) *HandshakeError {
		return &HandshakeError{Status: http.StatusBadRequest, Reason: reason}
	}
	switch {
	case r.ProtoMajor > 1:
		return &HandshakeError{Status: http.StatusNotImplemented, Reason: "WebSocket needs HTTP/1.1, not " + r.Proto}
	case r.Method != http.MethodGet:
		return &HandshakeError{Status: http.StatusMethodNotAllowed, Reason: "a WebSocket handshake is a GET"}
	case !r.ProtoAtLeast(1, 1):
		return bad("WebSocket needs HTTP/1.1")
	case !hasToken(r.Header.Values("Connection"), "upgrade"), !hasToken(r.Header.Values("Upgrade"), "websocket"):
		return &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "this address speaks WebSocket only"}
	case r.ContentLength != 0:
		return bad("a WebSocket handshake has no body")
	}

	if v := r.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != protocolVersion {
		return &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "WebSocket version 13 is needed"}
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return bad("exactly one Sec-WebSocket-Key is needed")
	}
	if key, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(key) != 16 {
		return bad("Sec-WebSocket-Key is not 16 bytes in base64")
	}
	if e := o.Origins.Check(r); e != nil {
		return &HandshakeError{Status: http.StatusForbidden, Reason: e.Reason}
	}
	return nil
}

// refuse answers the request with the refusal, and returns it. The connection is closed
// with that: who is refused holds no descriptor. A body isn't waited for: net/http would
// do that before it answers, or else before it closes.
func (o *AcceptOptions) refuse(w http.ResponseWriter, r *http.Request, refusal *HandshakeError) error {
	if r.ProtoMajor == 1 { // else it is also that of other requests
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(o.CloseTimeout)) // if w can do that
	}
	switch refusal.Status {
	case http.StatusUpgradeRequired:
		w.Header().Add("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-Websocket-Version", protocolVersion)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	}
	http.Error(w, refusal.Reason, refusal.Status)
	return refusal
}

// acceptKey proves that the handshake was understood (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// chooseSubprotocol returns the first of ours that the client offers, or "".
func chooseSubprotocol(offered, ours []string) string {
	for _, candidate := range ours {
		found := false
		eachToken(offered, func(token string) bool {
			found = token == candidate
			return !found
		})
		if found {
			return candidate
		}
	}
	return ""
}

// ownHeaders are those of the answer that the handshake decides on.
var ownHeaders = map[string]bool{
	"Connection": true, "Content-Length": true, "Content-Type": true, "Transfer-Encoding": true, "Upgrade": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Extensions": true, "Sec-Websocket-Protocol": true,
}

// writeSwitch sends the answer that ends HTTP on the connection.
func (c *Conn) writeSwitch(key, extensions string, header http.Header) error {
	// The server's own deadlines were for the request.
	if err := c.net.SetDeadline(time.Time{}); err != nil {
		return err
	}
	var answer bytes.Buffer
	answer.Grow(512)
	answer.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ")
	answer.WriteString(key)
	if c.subprotocol != "" {
		answer.WriteString("\r\nSec-WebSocket-Protocol: ")
		answer.WriteString(c.subprotocol)
	}
	if extensions != "" {
		answer.WriteString("\r\nSec-WebSocket-Extensions: ")
		answer.WriteString(extensions)
	}
	answer.WriteString("\r\n")
	_ = header.WriteSubset(&answer, ownHeaders) // to memory
	answer.WriteString("\r\n")
	return c.writeFrame(context.Background(), answer.Bytes())
}

// takeBuffered returns what the HTTP server had read beyond the request.
func takeBuffered(r *bufio.Reader) []byte {
	early, _ := r.Peek(r.Buffered())
	return append([]byte(nil), early...)
}
