package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ResponseError is why [Dial] failed after a server had answered: it refused, or its
// answer isn't one that a client may take (RFC 6455 section 4.1).
type ResponseError struct {
	Reason   string
	Response *http.Response // its body is the first 4 KiB, in memory, and needs no Close
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("websocket: dial: the server answered with %s: %s", e.Response.Status, e.Reason)
}

// dialer does the opening handshake on a connection.
type dialer struct {
	opts    *DialOptions
	net     net.Conn
	request *http.Request

	// What came of it.
	response    *http.Response
	buffered    *bufio.Reader // what has come beyond the answer
	subprotocol string
	deflate     deflateParams
}

// bind makes the handshake fail once ctx ends, until release is called.
func (d *dialer) bind(ctx context.Context) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		d.net.SetDeadline(longAgo)
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

const (
	maxAnswer  = 64 << 10 // of an answer's head, in bytes
	maxInterim = 5        // answers of status 1xx before it
	maxBody    = 4 << 10  // of a refusal
)

// handshake sends the request and judges the answer.
func (d *dialer) handshake() (err error) {
	if err := d.request.Write(d.net); err != nil {
		return err
	}
	head := &io.LimitedReader{R: d.net, N: maxAnswer}
	d.buffered = bufio.NewReader(head)
	for range maxInterim {
		d.response, err = http.ReadResponse(d.buffered, d.request) //nolint:bodyclose // it ends with the connection
		switch {
		case err != nil && head.N <= 0:
			return errors.New("the server's answer has a head of more than 64 KiB")
		case err != nil:
			return err
		case d.response.StatusCode >= 200 || d.response.StatusCode == http.StatusSwitchingProtocols:
			return d.judge()
		}
	}
	return errors.New("the server doesn't come to an answer")
}

// judge checks the answer. One that isn't right is a *ResponseError.
func (d *dialer) judge() error {
	reason := d.check()
	if reason == "" {
		return nil
	}
	timer := time.AfterFunc(d.opts.CloseTimeout, func() { d.net.SetReadDeadline(longAgo) })
	defer timer.Stop()
	body, _ := io.ReadAll(io.LimitReader(d.response.Body, maxBody)) // as much as comes
	d.response.Body = io.NopCloser(strings.NewReader(string(body)))
	return &ResponseError{Reason: reason, Response: d.response}
}

// check returns what is wrong with the answer, or "", and notes what was agreed on.
func (d *dialer) check() (reason string) {
	header := d.response.Header
	if d.response.StatusCode != http.StatusSwitchingProtocols {
		return "the handshake is refused"
	}
	if upgrade := header.Values("Upgrade"); len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") {
		return "the Upgrade header isn't websocket"
	}
	if upgrades, err := hasProtocol(header.Values("Connection"), "upgrade"); err != nil || !upgrades {
		return "the Connection header has no upgrade"
	}
	accepted := header.Values("Sec-Websocket-Accept")
	if len(accepted) != 1 || accepted[0] != acceptKey(d.request.Header.Get("Sec-Websocket-Key")) {
		return "the Sec-WebSocket-Accept header doesn't answer the key"
	}
	if chosen, ok := header["Sec-Websocket-Protocol"]; ok {
		if len(chosen) != 1 || !slices.Contains(d.opts.Subprotocols, chosen[0]) {
			return "the Sec-WebSocket-Protocol header isn't one of the subprotocols that were offered"
		}
		d.subprotocol = chosen[0]
	}
	extensions, err := parseExtensions(header.Values("Sec-Websocket-Extensions"))
	if err != nil {
		return "the Sec-WebSocket-Extensions header is " + err.Error()
	}
	var ok bool
	if d.deflate, ok = agreeDeflate(extensions, d.opts.Compression); !ok {
		return "the Sec-WebSocket-Extensions header has what wasn't offered"
	}
	return ""
}
