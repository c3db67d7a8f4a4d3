package ws

import (
	"testing"

	"github.com/tidewire/tidewire/push"
)

// TestEveryCodeHasACloseCode has those that may be sent (RFC 6455 section 7.4).
func TestEveryCodeHasACloseCode(t *testing.T) {
	for _, c := range []push.Code{
		push.CodeBadRequest,
		push.CodeUnauthenticated,
		push.CodeForbidden,
		push.CodeConflict,
		push.CodeTooLarge,
		push.CodeUnsupported,
		push.CodeWrongKind,
		push.CodeRateLimited,
		push.CodeLimitReached,
		push.CodeTimeout,
		push.CodeSlowConsumer,
		push.CodeDraining,
		push.CodeUnavailable,
		push.CodeNotReplicated,
		push.CodeInternal,
		"made_up",
	} {
		if n := closeCode(c); n < 1000 || n > 4999 || n >= 1016 && n < 4000 {
			t.Errorf("%s: close code %d", c, n)
		}
	}
	if len(closeCodes) != 15 {
		t.Errorf("there are %d codes", len(closeCodes))
	}
}
