package client

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// trouble is why an attempt has failed, or a connection has ended, and what that means.
type trouble struct {
	err   error
	final bool          // trying again can't help
	after time.Duration // the server asks for this wait
	// foreign says that the server's decision isn't known: the network failed, or something
	// before the server answered, with this status if it isn't 0. Another transport may get
	// through.
	foreign bool
	status  int
	unsent  bool              // no part of the message has left
	topics  []protocol.Answer // what the server says of each, if it refuses all that an event stream asks for
}

func (t *trouble) unauthenticated() bool { return errors.Is(t.err, push.CodeUnauthenticated) }

// refused is what a server says by itself.
func refused(f *protocol.Failure) *trouble {
	return &trouble{err: f.Error(), final: f.Final(), after: f.After}
}

// broken is a failure of the network or of what is between.
func broken(err error) *trouble { return &trouble{err: err, foreign: true} }

// status is an HTTP answer other than the one expected.
func status(code int, header http.Header, body []byte) *trouble {
	after := retryAfter(header)
	if f, err := protocol.ParseHTTPError(body); err == nil {
		t := refused(f)
		t.after, t.topics = max(t.after, after), f.Topics
		return t
	}
	said, ok := map[int]push.Code{
		http.StatusBadRequest:            push.CodeBadRequest,
		http.StatusUnauthorized:          push.CodeUnauthenticated,
		http.StatusForbidden:             push.CodeForbidden,
		http.StatusRequestEntityTooLarge: push.CodeTooLarge,
		http.StatusUnsupportedMediaType:  push.CodeUnsupported,
		http.StatusTooManyRequests:       push.CodeRateLimited,
	}[code]
	if !ok {
		said = push.CodeUnavailable
	}
	e := push.NewError(said, fmt.Sprintf("the answer has status %d and isn't a Tidewire server's", code), nil)
	return &trouble{err: e, final: said.Final(), after: after, foreign: true, status: code}
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// closeCodes are those of docs/protocol.md that say more than to come back with backoff.
var closeCodes = map[websocket.StatusCode]push.Code{
	websocket.StatusProtocolError:   push.CodeBadRequest,
	websocket.StatusUnsupportedData: push.CodeUnsupported,
	websocket.StatusInvalidData:     push.CodeBadRequest,
	websocket.StatusMessageTooBig:   push.CodeTooLarge,
	websocket.StatusInternalError:   push.CodeInternal,
	websocket.StatusServiceRestart:  push.CodeDraining,
	4400:                            push.CodeBadRequest,
	4401:                            push.CodeUnauthenticated,
	4403:                            push.CodeForbidden,
	4409:                            push.CodeWrongKind,
	4408:                            push.CodeTimeout,
	4429:                            push.CodeRateLimited,
	4430:                            push.CodeSlowConsumer,
	4431:                            push.CodeLimitReached,
}

// tooLarge is a frame that the server would only send again.
func tooLarge(err error) *trouble {
	return &trouble{err: push.NewError(push.CodeTooLarge, "the server sent a frame over Options.MaxFrame", err), final: true}
}

// closed is the end of a WebSocket.
func closed(err error) *trouble {
	if violated, ok := errors.AsType[*websocket.ProtocolError](err); ok && violated.Code == websocket.StatusMessageTooBig {
		return tooLarge(err)
	}
	end, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		return broken(err)
	}
	if end.Code == websocket.StatusNormal {
		return &trouble{err: fmt.Errorf("client: the server is done: %w", err), final: true}
	}
	code, known := closeCodes[end.Code]
	if !known {
		code = push.CodeUnavailable
	}
	t := &trouble{err: push.NewError(code, end.Reason, err), final: code.Final()}
	if ms, err := strconv.ParseUint(end.Reason, 10, 32); err == nil && end.Code == websocket.StatusServiceRestart {
		t.after = time.Duration(ms) * time.Millisecond
	}
	return t
}
