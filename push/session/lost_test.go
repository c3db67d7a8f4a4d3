package session_test

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/push"
)

// TestLostConnectionEndsForItsReason: a transport's own reason is told to the client and counted,
// and a connection that just ended has none.
func TestLostConnectionEndsForItsReason(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want push.Code
	}{
		{"the client closed it", io.EOF, ""},
		{"no error", nil, ""},
		{"an error for the client", push.NewError(push.CodeBadRequest, "malformed frame", nil), push.CodeBadRequest},
		{"an error for the client, wrapped", fmt.Errorf("read: %w", push.NewError(push.CodeTooLarge, "", nil)), push.CodeTooLarge},
		{"a code", push.CodeRateLimited, push.CodeRateLimited},
		{"a code, wrapped", fmt.Errorf("read: %w", push.CodeTimeout), push.CodeTimeout},
		{"nothing was acknowledged", fmt.Errorf("read: %w", syscall.ETIMEDOUT), push.CodeTimeout},
		{"a reset", errors.Join(io.ErrUnexpectedEOF, syscall.ECONNRESET), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{})
				defer w.shutdown()
				c := newConn()
				s := w.open(c)
				s.Lost(tt.err)
				synctest.Wait() // the session is counted after Done
				_, reason := c.end()
				if got := w.hub.Stats().Closed[tt.want]; got != 1 || (reason == nil) != (tt.want == "") {
					t.Errorf("ended for %v, counted as %v", reason, w.hub.Stats().Closed)
				}
			})
		})
	}
}
