package push

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// Code says what went wrong, in a word that a client can act on. The set is
// closed; docs/protocol.md lists it with the statuses and close codes below.
type Code string

// The codes.
const (
	CodeBadRequest      Code = "bad_request"     // malformed or against the rules; the same request will fail again
	CodeUnauthenticated Code = "unauthenticated" // it isn't known, or no longer known, who asks
	CodeForbidden       Code = "forbidden"       // it is known who asks, and they may not
	CodeConflict        Code = "conflict"        // the message ID was used before, with other data
	CodeTooLarge        Code = "too_large"       // over a size limit
	CodeUnsupported     Code = "unsupported"     // a kind of data that isn't taken here
	CodeRateLimited     Code = "rate_limited"    // too much in too short a time
	CodeLimitReached    Code = "limit_reached"   // too many topics or connections
	CodeTimeout         Code = "timeout"         // somebody took too long
	CodeSlowConsumer    Code = "slow_consumer"   // the client read too slowly and its queue was full
	CodeDraining        Code = "draining"        // this instance is shutting down; another will serve
	CodeUnavailable     Code = "unavailable"     // the broker can't be reached, or can't store now
	CodeNotReplicated   Code = "not_replicated"  // the message is stored, but no replica has confirmed it in time
	CodeInternal        Code = "internal"        // a fault on this side
)

// Retry tells a client whether trying again can help.
type Retry string

// The answers to "shall I try again?".
const (
	RetryNever Retry = "never" // not without a change on the asker's side
	RetryNow   Retry = "now"   // at once
	RetryLater Retry = "later" // after a while, with backoff
)

// codes is the one table of what a code means on each transport.
var codes = map[Code]struct {
	status int
	close  uint16
	retry  Retry
}{
	CodeBadRequest:      {http.StatusBadRequest, 4400, RetryNever},
	CodeUnauthenticated: {http.StatusUnauthorized, 4401, RetryNever},
	CodeForbidden:       {http.StatusForbidden, 4403, RetryNever},
	CodeConflict:        {http.StatusConflict, 4400, RetryNever},
	CodeTooLarge:        {http.StatusRequestEntityTooLarge, 1009, RetryNever},
	CodeUnsupported:     {http.StatusUnsupportedMediaType, 1003, RetryNever},
	CodeRateLimited:     {http.StatusTooManyRequests, 4429, RetryLater},
	CodeLimitReached:    {http.StatusTooManyRequests, 4431, RetryLater},
	CodeTimeout:         {http.StatusServiceUnavailable, 4408, RetryLater},
	CodeSlowConsumer:    {http.StatusServiceUnavailable, 4430, RetryNow},
	CodeDraining:        {http.StatusServiceUnavailable, 1012, RetryLater},
	CodeUnavailable:     {http.StatusServiceUnavailable, 1013, RetryLater},
	CodeNotReplicated:   {http.StatusServiceUnavailable, 1013, RetryLater},
	CodeInternal:        {http.StatusInternalServerError, 1011, RetryLater},
}

// HTTPStatus is the status that answers a request which failed with c.
func (c Code) HTTPStatus() int { return codes[c].status }

// CloseCode is the WebSocket close code (RFC 6455 section 7.4) of a connection
// that ends with c.
func (c Code) CloseCode() uint16 { return codes[c].close }

// Retry says whether a client that is told c should try again.
func (c Code) Retry() Retry { return codes[c].retry }

// Error is what a client may be told: a code and a sentence. The cause stays
// on this side, for the log.
type Error struct {
	Code   Code
	Reason string // goes to the client as it is
	Cause  error  // never goes to the client; may be nil
	// After is how long the client had better wait before it tries again, as the
	// Retry-After header says it; zero is for the client to decide, or RetryAfter.
	After time.Duration

	// Hint tells the operator, in the log, what to do about it; it never goes to the
	// client.
	Hint string
}

// Errorf makes an Error whose reason is fixed text for the client and whose
// cause is for the log. Cause may be nil.
func Errorf(code Code, reason string, cause error) *Error {
	return &Error{Code: code, Reason: reason, Cause: cause}
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Reason
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is compare by code, so that errors.Is(err, push.ErrForbidden)
// holds for every Error with that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Sentinels for errors.Is; they match every Error of their code.
var (
	ErrBadRequest      = &Error{Code: CodeBadRequest, Reason: "bad request"}
	ErrUnauthenticated = &Error{Code: CodeUnauthenticated, Reason: "not authenticated"}
	ErrForbidden       = &Error{Code: CodeForbidden, Reason: "forbidden"}
	ErrConflict        = &Error{Code: CodeConflict, Reason: "this message ID was used with other data"}
	ErrTooLarge        = &Error{Code: CodeTooLarge, Reason: "too large"}
	ErrRateLimited     = &Error{Code: CodeRateLimited, Reason: "too much in too short a time"}
	ErrLimitReached    = &Error{Code: CodeLimitReached, Reason: "limit reached"}
	ErrTimeout         = &Error{Code: CodeTimeout, Reason: "timed out"}
	ErrSlowConsumer    = &Error{Code: CodeSlowConsumer, Reason: "read too slowly; come back with the cursor"}
	ErrDraining        = &Error{Code: CodeDraining, Reason: "shutting down; come back to another instance"}
	ErrUnavailable     = &Error{Code: CodeUnavailable, Reason: "unavailable"}
	ErrNotReplicated   = &Error{Code: CodeNotReplicated, Reason: "stored, but on no replica yet"}
	ErrInternal        = &Error{Code: CodeInternal, Reason: "internal error"}
)

// AsError gives err as a client may be told of it. An error that isn't an
// *Error becomes CodeTimeout if a deadline passed, else CodeInternal, with
// err as the hidden cause. Nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	var bad broker.BadRequest
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &bad):
		return Errorf(CodeBadRequest, string(bad), nil)
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(CodeTimeout, ErrTimeout.Reason, err)
	default:
		return Errorf(CodeInternal, ErrInternal.Reason, err)
	}
}

// RetryAfter is what a refusal with status 503 puts into the Retry-After header at
// least.
const RetryAfter = time.Second
