package websocket

import "strconv"

// extension is one element of Sec-WebSocket-Extensions (RFC 6455 section 9.1).
type extension struct {
	name   string
	params []extensionParam
}

type extensionParam struct {
	name, value string
	hasValue    bool
}

// parseExtensions reads a whole Sec-WebSocket-Extensions list, in which parameters
// count as elements.
func parseExtensions(lines []string) (found []extension, err error) {
	params := 0
	err = eachElement(lines, func(s *headerScanner) (ok bool) {
		var ext extension
		if ext.name, ok = s.token(); !ok {
			return false
		}
		for s.take(';') {
			var p extensionParam
			if p.name, ok = s.token(); !ok {
				return false
			}
			if s.take('=') {
				p.hasValue = true
				if p.value, ok = s.tokenOrQuoted(); !ok {
					return false
				}
			}
			if params++; params <= maxListElements {
				ext.params = append(ext.params, p)
			}
		}
		found = append(found, ext)
		return true
	})
	if err == nil && params > maxListElements {
		err = errListTooLong
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

const (
	deflateName = "permessage-deflate"

	maxWindowBits = 15
	minWindowBits = 8
)

// deflateParams is what both sides agreed on for permessage-deflate. The zero
// value stands for no compression.
type deflateParams struct {
	on              bool
	sendTakeover    bool // our messages may refer to earlier ones
	receiveTakeover bool // the peer's may
	sendBits        int  // our window is 1<<sendBits bytes
}

// negotiateDeflate picks the first of the client's offers that the server can
// keep, and returns it with the header value that accepts it: empty if there
// is none.
func negotiateDeflate(offers []extension, mode CompressionMode) (deflateParams, string) {
	if mode == CompressionOff {
		return deflateParams{}, ""
	}
	for _, offer := range offers {
		if offer.name != deflateName {
			continue
		}
		if params, answer, ok := acceptDeflate(offer.params, mode); ok {
			return params, answer
		}
	}
	return deflateParams{}, ""
}

// acceptDeflate judges one offer by RFC 7692 section 7.1. An offer with a
// parameter that is unknown, repeated or has a value it can't have is declined.
func acceptDeflate(offer []extensionParam, mode CompressionMode) (_ deflateParams, answer string, ok bool) {
	takeover := mode == CompressionContextTakeover
	params := deflateParams{on: true, sendTakeover: takeover, receiveTakeover: takeover, sendBits: maxWindowBits}
	bitsAsked := false
	seen := map[string]bool{}
	for _, p := range offer {
		if seen[p.name] {
			return deflateParams{}, "", false
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover":
			params.sendTakeover = false
			ok = !p.hasValue
		case "client_no_context_takeover":
			params.receiveTakeover = false
			ok = !p.hasValue
		case "server_max_window_bits":
			bitsAsked = true
			params.sendBits, ok = windowBits(p.value)
		case "client_max_window_bits":
			// A hint that the client can use a smaller window. Ours holds the
			// largest there is, so the answer doesn't mention it.
			_, ok = windowBits(p.value)
			ok = ok || !p.hasValue
		default:
			ok = false
		}
		if !ok {
			return deflateParams{}, "", false
		}
	}
	answer = deflateName
	if !params.sendTakeover {
		answer += "; server_no_context_takeover"
	}
	if !params.receiveTakeover {
		answer += "; client_no_context_takeover"
	}
	if bitsAsked {
		answer += "; server_max_window_bits=" + strconv.Itoa(params.sendBits)
	}
	return params, answer, true
}

// windowBits reads a window size: a number from 8 to 15, without leading zero.
func windowBits(value string) (int, bool) {
	n, err := strconv.Atoi(value)
	if err != nil || n < minWindowBits || n > maxWindowBits || strconv.Itoa(n) != value {
		return 0, false
	}
	return n, true
}

// offerDeflate is the Sec-WebSocket-Extensions header of a client; empty if it offers
// nothing. It always offers that the server may ask for a smaller window.
func offerDeflate(mode CompressionMode) string {
	switch mode {
	case CompressionNoContextTakeover:
		return deflateName + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
	case CompressionContextTakeover:
		return deflateName + "; client_max_window_bits"
	default:
		return ""
	}
}

// agreeDeflate judges a server's answer to offerDeflate by RFC 7692 section 7.1, seen
// from the client. Anything else than an answer to what was offered isn't ok.
func agreeDeflate(answer []extension, mode CompressionMode) (_ deflateParams, ok bool) {
	if len(answer) == 0 {
		return deflateParams{}, true
	}
	if len(answer) > 1 || answer[0].name != deflateName || mode == CompressionOff {
		return deflateParams{}, false
	}
	takeover := mode == CompressionContextTakeover
	params := deflateParams{on: true, sendTakeover: takeover, receiveTakeover: true, sendBits: maxWindowBits}
	seen := map[string]bool{}
	for _, p := range answer[0].params {
		if seen[p.name] {
			return deflateParams{}, false
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover":
			params.receiveTakeover = false
			ok = !p.hasValue
		case "client_no_context_takeover":
			params.sendTakeover = false
			ok = !p.hasValue
		case "client_max_window_bits":
			params.sendBits, ok = windowBits(p.value)
		case "server_max_window_bits":
			_, ok = windowBits(p.value) // ours holds the largest there is
		default:
			ok = false
		}
		if !ok {
			return deflateParams{}, false
		}
	}
	if !takeover && params.receiveTakeover {
		return deflateParams{}, false // it was asked for, so it has to be in the answer
	}
	return params, true
}
