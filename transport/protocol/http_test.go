package protocol_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestRefusedTopicsAreGolden: a request whose topics are all refused gets the status of the
// first refusal, and what became of each topic.
func TestRefusedTopicsAreGolden(t *testing.T) {
	tooFast := &push.Error{Code: push.CodeRateLimited, Reason: "too many new topics in too short a time", After: 1500 * time.Millisecond}
	w := httptest.NewRecorder()
	protocol.WriteRefused(w, httptest.NewRequest("GET", "/sse", nil), []session.Followed{
		{Topic: "a", Err: tooFast, Cursor: at}, {Topic: "secret", Err: push.NewError(push.CodeForbidden, "", nil)},
	})
	file := filepath.Join("testdata", "http", "refused_topics.json")
	if *update {
		if err := os.WriteFile(file, append(w.Body.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := golden(t, "http", "refused_topics"); !bytes.Equal(w.Body.Bytes(), want) {
		t.Errorf("got  %s\nwant %s", w.Body, want)
	}
	if w.Code != 429 || w.Header().Get("Retry-After") != "2" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
	limited := protocol.Failure{Code: tooFast.Code, Reason: tooFast.Reason, Retry: "later", After: tooFast.After}
	want := limited
	want.Topics = []protocol.Answer{{Topic: "a", Failure: &limited}, {Topic: "secret", Failure: forbidden}}
	got, err := protocol.ParseHTTPError(w.Body.Bytes())
	if err != nil || !reflect.DeepEqual(got, &want) {
		t.Errorf("a client reads %+v, %v; want %+v", got, err, want)
	}
	if got, err := protocol.ParseHTTPError([]byte(`{"code":"forbidden","topics":{}}`)); err == nil {
		t.Errorf("topics that are an object: %+v", got)
	}
}

// TestWelcomeAndRefreshSayTheSame: in how many whole seconds the identity expires.
func TestWelcomeAndRefreshSayTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]string{
			time.Hour: "3600", time.Hour - 1: "3599", time.Second: "1", time.Second - 1: "0", 0: "0", -5 * time.Second: "0",
		} {
			at := time.Now().Add(left)
			refreshed, welcome := string(protocol.HTTPRefreshed(at)), string(protocol.Welcome("s", time.Minute, at, nil))
			if refreshed != `{"expires":`+want+`}` || !strings.Contains(welcome, `,"expires":`+want+`,`) {
				t.Errorf("%v: %s %s", left, refreshed, welcome)
			}
		}
		refreshed, welcome := string(protocol.HTTPRefreshed(time.Time{})), string(protocol.Welcome("s", time.Minute, time.Time{}, nil))
		if refreshed != "{}" || strings.Contains(welcome, "expires") {
			t.Errorf("never: %s %s", refreshed, welcome)
		}
	})
}
