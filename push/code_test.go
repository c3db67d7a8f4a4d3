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
