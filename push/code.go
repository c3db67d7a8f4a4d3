package push

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// Code says what went wrong, in a word that a client can act on. The set is
// closed; docs/protocol.md lists it with the statuses and close codes below. A hook that
// returns another code refuses as with an error that has none; the reason stays.
type Code string

// The codes.
const (
	CodeBadRequest      Code = "bad_request"     // malformed or against the rules; the same request will fail again
	CodeUnauthenticated Code = "unauthenticated" // it isn't known, or no longer known, who asks
	CodeForbidden       Code = "forbidden"       // it is known who asks, and they may not
	CodeConflict        Code = "conflict"        // the message ID was used before with other data, or the key has another version
	CodeTooLarge        Code = "too_large"       // over a size limit
	CodeUnsupported     Code = "unsupported"     // a kind of data that isn't taken here
	CodeWrongKind       Code = "wrong_kind"      // the topic is a state and was taken for a log, or a log for a state
	CodeRateLimited     Code = "rate_limited"    // too much in too short a time
	CodeLimitReached    Code = "limit_reached"   // too many topics or connections
	CodeTimeout         Code = "timeout"         // somebody took too long
	CodeSlowConsumer    Code = "slow_consumer"   // the client read too slowly and its queue was full
	CodeDraining        Code = "draining"        // this instance is shutting down; another will serve
	CodeUnavailable     Code = "unavailable"     // the broker can't be reached, or can't store now
	CodeNotReplicated   Code = "not_replicated"  // the message is stored, but no replica has confirmed it in time
	CodeInternal        Code = "internal"        // a fault on this side
)

// The answers to a client's "shall I try again?".
const (
	retryNever = "never" // not without a change on the asker's side
	retryNow   = "now"   // at once
	retryLater = "later" // after a while, with backoff
)

type meaning struct {
	status int
	retry  string
	reason string
}

// codes is the one table of what a code means to a client. Package transport/ws has the
// close codes of WebSockets.
var codes = map[Code]meaning{
	CodeBadRequest:      {http.StatusBadRequest, retryNever, "bad request"},
	CodeUnauthenticated: {http.StatusUnauthorized, retryNever, "not authenticated"},
	CodeForbidden:       {http.StatusForbidden, retryNever, "forbidden"},
	CodeConflict:        {http.StatusConflict, retryNever, "this message ID was used with other data"},
	CodeTooLarge:        {http.StatusRequestEntityTooLarge, retryNever, "too large"},
	CodeUnsupported:     {http.StatusUnsupportedMediaType, retryNever, "unsupported"},
	CodeWrongKind:       {http.StatusConflict, retryNever, "the topic is of another kind"},
	CodeRateLimited:     {http.StatusTooManyRequests, retryLater, "too much in too short a time"},
	CodeLimitReached:    {http.StatusTooManyRequests, retryLater, "limit reached"},
	CodeTimeout:         {http.StatusServiceUnavailable, retryLater, "timed out"},
	CodeSlowConsumer:    {http.StatusServiceUnavailable, retryNow, "read too slowly; come back with the cursor"},
	CodeDraining:        {http.StatusServiceUnavailable, retryLater, "shutting down; come back to another instance"},
	CodeUnavailable:     {http.StatusServiceUnavailable, retryLater, "unavailable"},
	CodeNotReplicated:   {http.StatusServiceUnavailable, retryLater, "stored, but on no replica yet"},
	CodeInternal:        {http.StatusInternalServerError, retryLater, "internal error"},
}

// Error makes a code an error by itself: a hook that returns one refuses with the code's
// own sentence, and errors.Is finds it in any [Error]. The text is the code.
func (c Code) Error() string { return string(c) }

// Known reports whether c is one of the codes. Any other means to a client what
// CodeInternal does.
func (c Code) Known() bool {
	_, known := codes[c]
	return known
}

func (c Code) meaning() meaning {
	if m, known := codes[c]; known {
		return m
	}
	return codes[CodeInternal]
}

// HTTPStatus is the status that answers a request which failed with c.
func (c Code) HTTPStatus() int { return c.meaning().status }

// Retry says whether a client that is told c should try again: "never", "now", or
// "later", which is with backoff.
func (c Code) Retry() string { return c.meaning().retry }

// Final reports whether trying again can't help.
func (c Code) Final() bool { return c.meaning().retry == retryNever }

// Error is what a client may be told: a code and a sentence. The cause stays
// on this side, for the log.
type Error struct {
	Code   Code
	Reason string // goes to the client as it is
	Cause  error  // never goes to the client; may be nil
	// After is how long the client should wait before it tries again, as the Retry-After
	// header says it. With zero the client decides, and a 503 says one second.
	After time.Duration

	// Hint tells the operator, in the log, what to do about it; it never goes to the
	// client.
	Hint string
}

// NewError makes an Error whose reason is fixed text for the client, by default the
// code's own sentence, and whose cause is for the log. Cause may be nil.
func NewError(code Code, reason string, cause error) *Error {
	if reason == "" {
		reason = codes[code].reason
	}
	return &Error{Code: code, Reason: reason, Cause: cause}
}

func (e *Error) Error() string {
	if e == nil { // and yet an error: a hook has returned a nil *Error as one
		return "a nil *push.Error"
	}
	s := string(e.Code) + ": " + e.Reason
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Cause
}

// Is makes errors.Is compare by code: errors.Is(err, push.CodeForbidden) holds for every
// Error with that code.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Code:
		return e != nil && t == e.Code
	case *Error:
		return e == t || e != nil && t != nil && t.Code == e.Code
	default:
		return false
	}
}

// AsError gives err as a client may be told of it. An error that isn't an
// *Error becomes CodeTimeout if a deadline passed, else CodeInternal, with
// err as the hidden cause; so does a nil *Error. Nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	var code Code
	var bad broker.BadRequestError
	var kind broker.WrongKindError
	switch {
	case errors.As(err, &e) && e != nil:
		return e
	case errors.As(err, &code):
		return NewError(code, "", nil)
	case errors.As(err, &bad):
		return NewError(CodeBadRequest, string(bad), nil)
	case errors.As(err, &kind):
		e := NewError(CodeWrongKind, string(kind), nil)
		e.Hint = "a push.TopicRule with State in the broker's Options.Topics makes a topic a state, on every instance"
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return NewError(CodeTimeout, "", err)
	default:
		return NewError(CodeInternal, "", err)
	}
}
