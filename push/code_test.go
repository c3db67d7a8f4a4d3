package push_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/push"
)

func TestEveryCodeHasAMeaning(t *testing.T) {
	codes := []push.Code{
		push.CodeBadRequest, push.CodeUnauthenticated, push.CodeForbidden, push.CodeConflict, push.CodeTooLarge,
		push.CodeUnsupported, push.CodeRateLimited, push.CodeLimitReached, push.CodeTimeout, push.CodeSlowConsumer,
		push.CodeDraining, push.CodeUnavailable, push.CodeInternal,
	}
	for _, c := range codes {
		if c.HTTPStatus() < 400 || c.HTTPStatus() > 599 {
			t.Errorf("%s: status %d", c, c.HTTPStatus())
		}
		if c.Retry() == "" {
			t.Errorf("%s: no retry", c)
		}
	}
}

func TestAsError(t *testing.T) {
	cause := errors.New("password is 1234")
	tests := []struct {
		err  error
		want push.Code
	}{
		{push.CodeForbidden, push.CodeForbidden},
		{fmt.Errorf("wrapped: %w", push.CodeConflict), push.CodeConflict},
		{push.NewError(push.CodeTooLarge, "too large", cause), push.CodeTooLarge},
		{context.DeadlineExceeded, push.CodeTimeout},
		{cause, push.CodeInternal},
	}
	for _, test := range tests {
		got := push.AsError(test.err)
		if got.Code != test.want {
			t.Errorf("%v became %v", test.err, got)
		}
		if errors.Is(test.err, cause) && (!errors.Is(got, cause) || got.Reason == cause.Error()) {
			t.Errorf("%v: the cause is lost or told", got)
		}
	}
	if push.AsError(nil) != nil {
		t.Error("nil became an error")
	}
}

// TestNilErrorIsAnError: a hook that returns a nil *Error as an error has a bug, and neither
// grants anything nor harms the process.
func TestNilErrorIsAnError(t *testing.T) {
	var e *push.Error
	for _, err := range []error{e, fmt.Errorf("wrapped: %w", e)} {
		got := push.AsError(err)
		if got == nil || got.Code != push.CodeInternal || got.Error() == "" || errors.Is(err, push.CodeForbidden) {
			t.Errorf("it became %v", got)
		}
	}
}

// TestUnknownCodeMeansInternal: what a client is told about one has a meaning all the same.
func TestUnknownCodeMeansInternal(t *testing.T) {
	for _, c := range []push.Code{"", "made_up"} {
		e := push.NewError(c, "", nil)
		if c.HTTPStatus() != 500 || c.Retry() != "later" || c.Final() || c.Known() || e.Code != c {
			t.Errorf("%q: status %d, retry %q, final %t, known %t, error %v", c, c.HTTPStatus(), c.Retry(), c.Final(), c.Known(), e)
		}
	}
	if !push.CodeInternal.Known() || !push.CodeForbidden.Known() {
		t.Error("a code is unknown")
	}
}
