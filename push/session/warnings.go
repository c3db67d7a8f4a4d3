package session

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

const (
	maxWarnings = 32
	maxWarning  = 500 // in bytes
)

// Warn notes what an operator should put right about how the hub is mounted or configured,
// for push.Health. The key says what it is about: of one key only the first text is kept,
// and of all keys the first 32. It reports whether the text is new, and kept. Nothing is
// logged.
func (h *Host) Warn(key, text string) bool {
	h.health.mu.Lock()
	defer h.health.mu.Unlock()
	if h.health.warned[key] || len(h.health.warnings) == maxWarnings {
		return false
	}
	if h.health.warned == nil {
		h.health.warned = map[string]bool{}
	}
	h.health.warned[key] = true
	h.health.warnings = append(h.health.warnings, strings.ToValidUTF8(text[:min(len(text), maxWarning)], ""))
	return true
}

// Hindered tells what in the set-up of the server is in the way of a request: what is a fixed
// text, hint says what to change, and args are what is known of it. The key names what was
// found. Once for each route and key it is logged, and kept as a warning; a watch of the
// request is told each time.
func (h *Host) Hindered(r *http.Request, key, what, hint string, args ...any) {
	watch := watchOf(r)
	_, again := h.hindered.LoadOrStore([2]string{r.Pattern, key}, true)
	if again && watch == nil {
		return
	}
	var known strings.Builder
	for i := 1; i < len(args); i += 2 {
		fmt.Fprintf(&known, "; %v %v", args[i-1], args[i])
	}
	text := what + known.String() + "; " + hint
	if watch != nil {
		watch(key, text)
	}
	if !again {
		all := append([]any{"route", r.Pattern, "protocol", r.Proto}, args...)
		h.options.Logger.Warn("push: "+what, append(all, "hint", hint)...)
		h.Warn(r.Pattern+" "+key, r.Pattern+": "+text)
	}
}

type watchKey struct{}

// WatchWarnings returns the context of a request about which watch is told all that
// [Host.Hindered] is, also what was said before. Calls may come from many goroutines.
func WatchWarnings(ctx context.Context, watch func(key, text string)) context.Context {
	return context.WithValue(ctx, watchKey{}, watch)
}

// IsWatched reports whether WatchWarnings is in a request's context: then nothing may be left
// out because an earlier request has found it.
func IsWatched(r *http.Request) bool { return watchOf(r) != nil }

func watchOf(r *http.Request) func(key, text string) {
	watch, _ := r.Context().Value(watchKey{}).(func(key, text string))
	return watch
}
