package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/transport/internal/socket"
)

// Dial connects to a WebSocket server and does the opening handshake of RFC 6455
// section 4.1. opts may be nil. The schemes are ws and wss; http and https mean the
// same. A user and a password in the URL are sent by HTTP's basic authentication.
//
// ctx bounds the whole of it, from the look-up of the name to the server's answer, and
// has no meaning for the connection afterwards. The header is that of the answer. The
// caller has to close the connection.
//
// A [*ResponseError] means that a server has answered, but not by becoming a WebSocket
// as it was asked to; redirects aren't followed. If ctx has ended, the error wraps its
// cause. Any other error is of the URL, the options, the network or TLS.
func Dial(ctx context.Context, address string, opts *DialOptions) (*Conn, http.Header, error) {
	o := opts.withDefaults()
	request, err := newRequest(address, o)
	if err != nil {
		return nil, nil, fmt.Errorf("websocket: dial: %w", err)
	}
	netConn, err := connect(ctx, request.URL, o)
	if err != nil {
		return nil, nil, fmt.Errorf("websocket: dial: %w", orCause(ctx, err))
	}
	d := dialer{opts: o, net: netConn, request: request}
	release := d.bind(ctx)
	err = d.handshake()
	release()
	if refused, ok := errors.AsType[*ResponseError](err); ok {
		socket.Drop(netConn, nil)
		return nil, refused.Response.Header, refused
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx) // it may have cut the connection
	}
	if err == nil {
		err = netConn.SetDeadline(time.Time{})
	}
	if err != nil {
		socket.Drop(netConn, nil)
		return nil, nil, fmt.Errorf("websocket: dial: %w", orCause(ctx, err))
	}
	c := newConn(netConn, takeBuffered(d.buffered), d.subprotocol, d.deflate, o.settings())
	c.client = true
	return c, d.response.Header, nil
}

// orCause gives the cause of an error that a context may have brought about.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

var schemes = map[string]string{"ws": "http", "wss": "https", "http": "http", "https": "https"}

// newRequest makes the request of a handshake.
func newRequest(address string, o *DialOptions) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	scheme := schemes[strings.ToLower(u.Scheme)]
	switch {
	case scheme == "":
		return nil, fmt.Errorf("the scheme of a WebSocket is ws or wss, not %q", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	case u.Fragment != "":
		return nil, errors.New("the URL of a WebSocket has no fragment")
	}
	u.Scheme = scheme
	if err := checkSubprotocols(o.Subprotocols); err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, values := range o.Header {
		if err := checkHeader(name, values); err != nil {
			return nil, err
		}
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	request := &http.Request{
		Method: http.MethodGet, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Host: u.Host,
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	if u.User != nil && header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // it never fails
	own := map[string]string{
		"Connection":               "Upgrade",
		"Upgrade":                  "websocket",
		"Sec-Websocket-Version":    protocolVersion,
		"Sec-Websocket-Key":        base64.StdEncoding.EncodeToString(nonce[:]),
		"Sec-Websocket-Protocol":   strings.Join(o.Subprotocols, ", "),
		"Sec-Websocket-Extensions": offerDeflate(o.Compression),
	}
	for name, value := range own {
		header.Del(name)
		if value != "" {
			header.Set(name, value)
		}
	}
	return request, nil
}

// checkHeader refuses what net/http would leave out or change.
func checkHeader(name string, values []string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r > '~' || !isTokenByte(byte(r)) }) {
		return fmt.Errorf("%q can't be the name of a header", name)
	}
	for _, value := range values {
		bad := strings.ContainsAny(value, "\r\n\x00")
		if strings.EqualFold(name, "Host") {
			bad = bad || strings.ContainsAny(value, " /\t@")
		}
		if bad {
			return fmt.Errorf("the header %s can't have its value", name) // which may be secret
		}
	}
	return nil
}

// checkSubprotocols refuses what can't be offered.
func checkSubprotocols(offered []string) error {
	for i, name := range offered {
		s := headerScanner{rest: name}
		if token, ok := s.token(); !ok || token != name {
			return fmt.Errorf("%q can't be the name of a subprotocol", name)
		}
		if slices.Contains(offered[:i], name) {
			return fmt.Errorf("the subprotocol %q is offered twice", name)
		}
	}
	return nil
}

// connect opens the connection to a server.
func connect(ctx context.Context, u *url.URL, o *DialOptions) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	netConn, err := o.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err == nil && netConn == nil {
		err = errors.New("DialContext has returned neither a connection nor an error")
	}
	if err != nil {
		return nil, err
	}
	socket.Tune(netConn, socket.Tuning{AckTimeout: o.AckTimeout})
	if u.Scheme == "http" {
		return netConn, nil
	}
	config := o.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	config.NextProtos = []string{"http/1.1"} // by no other the handshake is done
	secured := tls.Client(netConn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		socket.Drop(netConn, nil)
		return nil, err
	}
	return secured, nil
}
