package differential

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzHandshake sends any bytes as the request, as far as net/http takes them for one.
func FuzzHandshake(f *testing.F) {
	for _, seed := range handshakeSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		own, ok := shake(ours, request)
		if !ok {
			return
		}
		for _, other := range others {
			theirs, _ := shake(other, request)
			if !sameHandshake(own, theirs) && explain(handshakeDifferences, other.name, own, theirs) == nil {
				t.Errorf("%q\n%s: %d %v %v\n%s: %d %v %v", request, ours.name, own.status, own.answer, own.err,
					other.name, theirs.status, theirs.answer, theirs.err)
			}
		}
	})
}

// shake has a server answer a request. Each gets a copy of its own.
func shake(s server, request []byte) (outcome, bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil || r.ProtoMajor != 1 { // as its server has it
		return outcome{}, false
	}
	return s.run(r, takeover, nil, 1), true
}

// sameHandshake compares what a client can't overlook. The status of a refusal is
// for people, and which parameters of compression a server keeps is its own choice.
func sameHandshake(a, b outcome) bool {
	if !a.accepted() || !b.accepted() {
		return a.accepted() == b.accepted()
	}
	return a.answer.Get("Sec-WebSocket-Accept") == b.answer.Get("Sec-WebSocket-Accept") &&
		a.answer.Get("Sec-WebSocket-Protocol") == b.answer.Get("Sec-WebSocket-Protocol") && a.compresses() == b.compresses()
}

func (o outcome) compresses() bool {
	return strings.HasPrefix(o.answer.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
}

const (
	malformed = ": not a list of what belongs there"
	tooLong   = ": a list of more than 100 elements, or 8 KiB"
)

var handshakeDifferences = []difference{
	{both, "a WebSocket handshake has no body", "takes a request with a body (9110, 9.3.1: it means nothing in a GET, and where " +
		"it ends and frames begin is a matter of taste)", accepts},
	{both, "WebSocket version 13 is needed", "takes several versions, if one of them or the first is 13 (6455, 4.1: the client " +
		"sends one)", accepts},
	{onlyGorilla, "exactly one Sec-WebSocket-Key is needed", "takes the first of several keys (6455, 11.3.1: once)", accepts},
	{onlyGorilla, "WebSocket needs HTTP/1.1, and this request came as HTTP/1.0; a proxy in between has to speak HTTP/1.1 to the " +
		"server and pass both headers on", "takes HTTP/1.0 (6455, 4.1: at least 1.1)", accepts},
	{onlyCoder, "", "finds a subprotocol in any case of letters (6455, 11.3.4: it is compared as it is)", func(own, theirs outcome) bool {
		theirName := theirs.answer.Get("Sec-WebSocket-Protocol")
		return bothAccept(own, theirs) && own.answer.Get("Sec-WebSocket-Protocol") == "" && strings.EqualFold(theirName, subprotocol)
	}},
	{onlyGorilla, "", "stumbles over an empty element of a list (9110, 5.6.1.2: it has to be ignored)", func(own, theirs outcome) bool {
		return own.accepted() && !theirs.accepted() && strings.Contains(theirs.err.Error(), "token not found")
	}},
	{onlyGorilla, "", "reads the first line of subprotocols (6455, 11.3.4: there may be several)", func(own, theirs outcome) bool {
		return bothAccept(own, theirs) && own.answer.Get("Sec-WebSocket-Protocol") != "" && theirs.answer.Get("Sec-WebSocket-Protocol") == ""
	}},
	{both, "Sec-WebSocket-Protocol" + malformed, "takes any list, or none, for subprotocols (6455, 4.2.1 and 11.3.4: at least one, " +
		"each a token)", accepts},
	{both, "Sec-WebSocket-Extensions" + malformed, "passes over what it can't read (6455, 9.1: the connection has to fail)", accepts},
	{both, "Connection" + malformed, "looks for its word in a list of anything (9110, 7.6.1: tokens)", accepts},
	{both, "Upgrade" + malformed, "looks for its word in a list of anything (9110, 7.8: tokens, with a version or not)", accepts},
	{both, "Sec-WebSocket-Protocol" + tooLong, "takes lists of any length (9110, 5.4: a server may refuse)", accepts},
	{both, "Sec-WebSocket-Extensions" + tooLong, "takes lists of any length (9110, 5.4: a server may refuse)", accepts},
	{both, "Connection" + tooLong, "takes lists of any length (9110, 5.4: a server may refuse)", accepts},
	{both, "Upgrade" + tooLong, "takes lists of any length (9110, 5.4: a server may refuse)", accepts},
	{both, "", "takes an offer of compression with parameters that are unknown, repeated or without meaning (7692, 5.1 and 7.1: " +
		"decline it)", func(own, theirs outcome) bool {
		return bothAccept(own, theirs) && !own.compresses() && theirs.compresses()
	}},
	{onlyCoder, "", "declines to compress with a smaller window (7692, 7.1.2.1: it may)", func(own, theirs outcome) bool {
		return bothAccept(own, theirs) && strings.Contains(own.answer.Get("Sec-WebSocket-Extensions"), "server_max_window_bits") &&
			!theirs.compresses()
	}},
}

func accepts(own, theirs outcome) bool { return theirs.accepted() }

func bothAccept(own, theirs outcome) bool {
	return own.accepted() && theirs.accepted() &&
		own.answer.Get("Sec-WebSocket-Accept") == theirs.answer.Get("Sec-WebSocket-Accept")
}

func TestHandshakeDifferencesAreReal(t *testing.T) {
	seen := map[*difference]bool{}
	for _, seed := range handshakeSeeds() {
		own, ok := shake(ours, []byte(seed))
		if !ok {
			t.Errorf("not a request: %q", seed)
		}
		for _, other := range others {
			if theirs, _ := shake(other, []byte(seed)); !sameHandshake(own, theirs) {
				seen[explain(handshakeDifferences, other.name, own, theirs)] = true
			}
		}
	}
	wantSeen(t, handshakeDifferences, seen)
}

// handshakeSeeds are the usual request, and others of which one line is different.
func handshakeSeeds() []string {
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	usual := []string{
		"GET / HTTP/1.1", "Host: example.com", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key,
	}
	seeds := []string{strings.Join(usual, "\r\n") + "\r\n\r\n"}
	for i, lines := range [][]string{
		{"POST / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0", "GET /a?b=c HTTP/1.1"},
		{"Host: other.example"},
		{"Connection: keep-alive, upgrade", "Connection: keep-alive", "Connection: x upgrade", "Connection: \"upgrade\"", "X: y",
			"Connection: upgrade, x y", "Connection: upgrade" + strings.Repeat(", a", 100)},
		{"Upgrade: h2c, WebSocket", "Upgrade: ,websocket", "Upgrade: websocket/1", "Upgrade: websockets", "X: y",
			"Upgrade: websocket, x y", "Upgrade: websocket" + strings.Repeat(", a", 100)},
		{"Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13, 8", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", "X: y"},
		{
			"Sec-WebSocket-Key: AAAA", key + "\r\n" + key, "X: y", key + "\r\nContent-Length: 2", key + "\r\nTransfer-Encoding: chunked",
			key + "\r\nOrigin: http://evil.example", key + "\r\nOrigin: null", "Sec-WebSocket-Key: ",
			key + "\r\nSec-WebSocket-Protocol: chat", key + "\r\nSec-WebSocket-Protocol: a, chat", key + "\r\nSec-WebSocket-Protocol: CHAT",
			key + "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: chat",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate; unknown",
			key + "\r\nSec-WebSocket-Extensions: x-other, permessage-deflate; server_no_context_takeover",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate; ;",
			key + "\r\nSec-WebSocket-Extensions:",
			key + "\r\nSec-WebSocket-Extensions: permessage-deflate" + strings.Repeat(", a", 100),
			key + "\r\nSec-WebSocket-Protocol:",
			key + "\r\nSec-WebSocket-Protocol: chat, ch\u00e4t",
			key + "\r\nSec-WebSocket-Protocol: , chat",
			key + "\r\nSec-WebSocket-Protocol: chat" + strings.Repeat(", a", 100),
		},
	} {
		for _, line := range lines {
			changed := slices.Clone(usual)
			changed[i] = line
			seeds = append(seeds, strings.Join(changed, "\r\n")+"\r\n\r\n")
		}
	}
	return seeds
}
