package ws

import (
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/websocket"
)

// closeCodes are the close codes (RFC 6455 section 7.4) of connections that end with an
// error.
var closeCodes = map[push.Code]websocket.StatusCode{
	push.CodeBadRequest:      4400,
	push.CodeUnauthenticated: 4401,
	push.CodeForbidden:       4403,
	push.CodeConflict:        4400,
	push.CodeTooLarge:        1009,
	push.CodeUnsupported:     1003,
	push.CodeWrongKind:       4409,
	push.CodeRateLimited:     4429,
	push.CodeLimitReached:    4431,
	push.CodeTimeout:         4408,
	push.CodeSlowConsumer:    4430,
	push.CodeDraining:        1012,
	push.CodeUnavailable:     1013,
	push.CodeNotReplicated:   1013,
	push.CodeInternal:        1011,
}

// closeCode is that of an error; for a code that the application has made up, that of
// CodeInternal.
func closeCode(c push.Code) websocket.StatusCode {
	if !c.Known() {
		c = push.CodeInternal
	}
	return closeCodes[c]
}
