package servetest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// StrangeHostNamesAreRefused fails unless an example on a loopback address knows itself
// by that, and by the names of its -host flag.
func StrangeHostNamesAreRefused(t *testing.T, run func(context.Context, []string, io.Writer) error, args ...string) {
	t.Helper()
	for _, flags := range [][]string{nil, {"-host", "push.example,push.internal"}} {
		s := Start(t, run, slices.Concat(flags, args)...)
		for host, want := range map[string]int{
			"localhost": 200, "127.0.0.1:1": 200, "push.example": 421, "push.internal:1": 421, "evil.example": 421,
		} {
			if flags != nil && strings.HasPrefix(host, "push.") {
				want = http.StatusOK // as a proxy passes it on
			}
			if status, _ := s.Do(t, http.MethodGet, "/", "", "Host", host); status != want {
				t.Errorf("%v: %q: %d, want %d", flags, host, status, want)
			}
		}
	}
}
