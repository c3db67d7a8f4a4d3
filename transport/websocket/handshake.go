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
	"slices"
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
// another version; 431 for a list of more than 100 elements or 8 KiB; 500 when the
// connection can't be taken over; 501 for HTTP/2.
// Any other error means that the client was gone before it got the answer.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	return NewAcceptor(opts).Accept(w, r)
}

// Acceptor accepts many connections with the same options, which they share: it spares
// each the memory for a copy. Its methods may be called by any goroutine at any time.
type Acceptor struct {
	opts     *AcceptOptions // full
	settings *settings
}

// NewAcceptor returns an Acceptor. opts may be nil; they are copied.
func NewAcceptor(opts *AcceptOptions) *Acceptor {
	full := opts.withDefaults()
	return &Acceptor{full, full.settings()}
}

// Accept is [Accept] with the Acceptor's options.
func (a *Acceptor) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	o := a.opts
	offer, refusal := checkHandshake(r, o)
	if refusal != nil {
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

	socket.Tune(netConn, socket.Tuning{SendBuffer: o.SendBuffer, AckTimeout: o.AckTimeout})
	subprotocol := chooseSubprotocol(offer.subprotocols, o.Subprotocols)
	deflate, extensions := negotiateDeflate(offer.extensions, o.Compression)
	c := newConn(netConn, takeBuffered(buffered.Reader), subprotocol, deflate, a.settings)
	answer := c.switchAnswer(acceptKey(r.Header.Get("Sec-WebSocket-Key")), extensions, w.Header())
	err = netConn.SetDeadline(time.Time{}) // the server's own deadlines were for the request
	switch {
	case err != nil:
	case o.HoldAnswer:
		c.unsent, c.held = answer, true
	default:
		err = c.writeFrame(context.Background(), answer)
	}
	if err != nil {
		_ = c.CloseNow() // never fails
		return nil, fmt.Errorf("websocket: accept: %w", err)
	}
	return c, nil
}

// offer is what a client leaves to the server to choose.
type offer struct {
	subprotocols []string
	extensions   []extension
}

// viaProxy ends the reasons that a proxy's configuration is most often behind.
const viaProxy = "; a proxy in between has to speak HTTP/1.1 to the server and pass both headers on"

func badHandshake(reason string) *HandshakeError {
	return &HandshakeError{Status: http.StatusBadRequest, Reason: reason}
}

// badList is the refusal of a header that holds a list.
func badList(name string, err error) *HandshakeError {
	refusal := badHandshake(name + ": " + err.Error())
	if err == errListTooLong {
		refusal.Status = http.StatusRequestHeaderFieldsTooLarge
	}
	return refusal
}

// checkHandshake returns what r offers, or why it can't become a WebSocket connection.
func checkHandshake(r *http.Request, o *AcceptOptions) (offer, *HandshakeError) {
	switch {
	case r.ProtoMajor > 1:
		return offer{}, &HandshakeError{Status: http.StatusNotImplemented, Reason: "WebSocket needs HTTP/1.1, not " + r.Proto}
	case r.Method != http.MethodGet:
		return offer{}, &HandshakeError{Status: http.StatusMethodNotAllowed, Reason: "a WebSocket handshake is a GET"}
	case !r.ProtoAtLeast(1, 1):
		return offer{}, badHandshake("WebSocket needs HTTP/1.1, and this request came as " + r.Proto + viaProxy)
	}
	if refusal := checkUpgrade(r.Header); refusal != nil {
		return offer{}, refusal
	}
	if r.ContentLength != 0 {
		return offer{}, badHandshake("a WebSocket handshake has no body")
	}
	if v := r.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != protocolVersion {
		return offer{}, &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "WebSocket version 13 is needed"}
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return offer{}, badHandshake("exactly one Sec-WebSocket-Key is needed")
	}
	if !isKey(keys[0]) {
		return offer{}, badHandshake("Sec-WebSocket-Key is not 16 bytes in base64")
	}
	offered, refusal := parseOffer(r.Header)
	if refusal != nil {
		return offer{}, refusal
	}
	if err := o.CheckOrigin(r); err != nil {
		return offer{}, &HandshakeError{Status: http.StatusForbidden, Reason: err.Error()}
	}
	return offered, nil
}

// checkUpgrade refuses a request that doesn't ask for a WebSocket.
func checkUpgrade(h http.Header) *HandshakeError {
	for _, list := range []struct{ name, wanted string }{{"Connection", "upgrade"}, {"Upgrade", "websocket"}} {
		asked, err := hasProtocol(h.Values(list.name), list.wanted)
		if err != nil {
			return badList(list.name, err)
		}
		if !asked {
			return &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "this address speaks WebSocket only, and the request has no Upgrade and Connection for it" + viaProxy}
		}
	}
	return nil
}

// isKey reports whether key is 16 bytes in base64.
func isKey(key string) bool {
	var nonce [18]byte
	if len(key) != base64.StdEncoding.EncodedLen(16) {
		return false
	}
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(key))
	return err == nil && n == 16
}

// parseOffer refuses what isn't well-formed even if nothing of it would be chosen (RFC
// 6455 sections 4.2.1 and 9.1).
func parseOffer(h http.Header) (offered offer, refusal *HandshakeError) {
	var err error
	if offered.subprotocols, err = parseTokens(h.Values("Sec-WebSocket-Protocol")); err != nil {
		return offer{}, badList("Sec-WebSocket-Protocol", err)
	}
	if offered.extensions, err = parseExtensions(h.Values("Sec-WebSocket-Extensions")); err != nil {
		return offer{}, badList("Sec-WebSocket-Extensions", err)
	}
	return offered, nil
}

// refuse answers the request with the refusal, and returns it. The connection is closed
// with that: a refused client holds no descriptor. A body isn't waited for: net/http would
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
	o.Refuse(w, refusal)
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
		if slices.Contains(offered, candidate) {
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

// switchAnswer returns the answer that ends HTTP on the connection.
func (c *Conn) switchAnswer(key, extensions string, header http.Header) []byte {
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
	return answer.Bytes()
}

// takeBuffered returns what the HTTP server had read beyond the request.
func takeBuffered(r *bufio.Reader) []byte {
	early, _ := r.Peek(r.Buffered())
	return append([]byte(nil), early...)
}
