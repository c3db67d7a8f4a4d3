package session_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

func TestWarningsAreFewAndEachOnce(t *testing.T) {
	w := newWorld(t, nil, push.Options{})
	defer w.shutdown()
	host := session.Of(w.hub)
	if !host.Warn("a", "first") || host.Warn("a", "second") {
		t.Error("one key has two texts, or none")
	}
	kept := 1
	for i := range 100 {
		if host.Warn(fmt.Sprint(i), strings.Repeat("ü", 1000)) {
			kept++
		}
	}
	warnings := w.hub.Health(t.Context()).Warnings
	if kept != 32 || len(warnings) != 32 || warnings[0] != "first" || warnings[1] != strings.Repeat("ü", 250) {
		t.Errorf("%d are kept: %q", kept, warnings)
	}
}

// TestHinderedIsSaidOnceAndWatchesHearAll: the log and the warnings have one line for each route
// and key, and the watch of a request has each that is about it.
func TestHinderedIsSaidOnceAndWatchesHearAll(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, nil, push.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer w.shutdown()
	host := session.Of(w.hub)
	plain := httptest.NewRequest("GET", "/sse", nil)
	plain.Pattern = "/push/sse"
	var told []string
	watched := plain.WithContext(session.WatchWarnings(plain.Context(), func(key, text string) { told = append(told, key+": "+text) }))
	if session.IsWatched(plain) || !session.IsWatched(watched) {
		t.Error("the wrong request is watched")
	}
	other := watched.Clone(watched.Context())
	other.Pattern = "/push/poll"
	for range 2 {
		host.Hindered(plain, "no", "nothing goes", "go", "way", 1)
		host.Hindered(watched, "no", "nothing goes", "go", "way", 2)
	}
	host.Hindered(other, "no", "nothing goes", "go")
	warnings := w.hub.Health(t.Context()).Warnings
	if want := []string{"/push/sse: nothing goes; way 1; go", "/push/poll: nothing goes; go"}; !slices.Equal(warnings, want) {
		t.Errorf("warnings %q", warnings)
	}
	if got := strings.Count(log.String(), "nothing goes"); got != 2 {
		t.Errorf("%d lines: %s", got, &log)
	}
	if want := []string{"no: nothing goes; way 2; go", "no: nothing goes; way 2; go", "no: nothing goes; go"}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}
