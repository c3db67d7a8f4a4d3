package session_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestOriginsSayWhyNot: in the answer, and in the log with what was seen.
func TestOriginsSayWhyNot(t *testing.T) {
	tests := []struct {
		name    string
		headers []string // in pairs
		reason  []string // what the answer has to name
		want    logLine  // Hint is a part of it
	}{
		{"behind a proxy", []string{"Origin", "https://app.example", "X-Forwarded-Host", "app.example"}, []string{"Origin", "Host header", "proxy"},
			logLine{Origin: "https://app.example", Host: "127.0.0.1:8080", Passed: "app.example", Hint: "proxy_set_header Host"}},
		{"foreign", []string{"Origin", "https://evil.example"}, []string{"Origin", "push.Options.Origins"},
			logLine{Origin: "https://evil.example", Host: "127.0.0.1:8080", Hint: "push.Options.Origins"}},
		{"two", []string{"Origin", "http://127.0.0.1:8080", "Origin", "https://evil.example"}, []string{"Origin"},
			logLine{Origin: "http://127.0.0.1:8080, https://evil.example", Host: "127.0.0.1:8080", Hint: "push.Options.Origins"}},
		{"long and not printable", []string{"Origin", "https://\u202e\n" + strings.Repeat("x", 300)}, []string{"Origin"},
			logLine{Origin: `https://\u202e\n` + strings.Repeat("x", 244) + `\u2026`, Host: "127.0.0.1:8080", Hint: "push.Options.Origins"}},
		{"none, with a cookie", []string{"Cookie", "session=S3CR3T"}, []string{"Origin header is missing", "cookie", "push.NoOrigin"},
			logLine{Host: "127.0.0.1:8080", Hint: "push.NoOrigin"}},
		{"none, a handshake with a cookie", []string{"Cookie", "session=S3CR3T", "Sec-WebSocket-Key", "x", "Sec-Fetch-Site", "same-origin"}, []string{"push.NoOrigin"},
			logLine{Host: "127.0.0.1:8080", Site: "same-origin", Hint: "push.NoOrigin"}},
		{"none, of another site", []string{"Sec-Fetch-Site", "cross-site"}, []string{"Sec-Fetch-Site", "another site"},
			logLine{Host: "127.0.0.1:8080", Site: "cross-site", Hint: "no Origin header"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			w := newWorld(t, nil, push.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
			defer w.shutdown()
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080/push/sse?token=S3CR3T", nil)
			for i := 0; i < len(tt.headers); i += 2 {
				r.Header.Add(tt.headers[i], tt.headers[i+1])
			}
			_, err := session.Of(w.hub).Admit(r)
			if !errors.Is(err, push.CodeForbidden) {
				t.Fatalf("got %v", err)
			}
			w.refused(r, err)
			if strings.Contains(log.String(), "S3CR3T") {
				t.Errorf("logged %s", log.String())
			}
			lines := logLines(t, &log)
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			got, reason := lines[0], push.AsError(err).Reason
			for _, part := range tt.reason {
				if !strings.Contains(reason, part) {
					t.Errorf("the answer is %q", reason)
				}
			}
			if !strings.Contains(got.Hint, tt.want.Hint) {
				t.Errorf("the hint is %q", got.Hint)
			}
			got.Hint, got.Reason = tt.want.Hint, ""
			tt.want.Level, tt.want.Msg, tt.want.Code, tt.want.Method, tt.want.Address = "WARN", "push: refused", push.CodeForbidden, "GET", "192.0.2.1"
			if got != tt.want {
				t.Errorf("logged %+v\nwant   %+v", got, tt.want)
			}
		})
	}
}

// TestFloodOfRefusalsIsAFewLines: of each kind, and the next says how many were left out.
// What clients send makes no kind of its own.
func TestFloodOfRefusalsIsAFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, nil, push.Options{
			Limits: push.Limits{PerAddress: 1}, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		})
		defer w.shutdown()
		a, err := session.Of(w.hub).Admit(from("203.0.113.1"))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Release()
		for i := range 10_000 {
			r := from("203.0.113.1")
			if i%2 == 0 {
				r.Method, r.Host = strings.Repeat("M", i%500), strings.Repeat("h", i%500)
				r.Header.Set("Origin", "https://"+strings.Repeat("x", i%500)+".example")
			}
			_, err := session.Of(w.hub).Admit(r)
			w.refused(r, err)
		}
		time.Sleep(time.Minute)
		r := from("203.0.113.1")
		_, err = session.Of(w.hub).Admit(r)
		w.refused(r, err)
		counts, leftOut := map[push.Code]int{}, 0
		for _, line := range logLines(t, &log) {
			counts[line.Code]++
			leftOut += line.LeftOut
			if line.Code == push.CodeLimitReached && (line.Address != "203.0.113.1" || !strings.Contains(line.Hint, "push.Options.Proxies")) {
				t.Errorf("logged %+v", line)
			}
		}
		if counts[push.CodeForbidden] != 5 || counts[push.CodeLimitReached] != 6 || len(counts) != 2 || leftOut != 4995 {
			t.Errorf("%v lines, and %d left out", counts, leftOut)
		}
		if n := w.hub.Stats().Refused; n[push.CodeForbidden] != 5000 || n[push.CodeLimitReached] != 5001 {
			t.Errorf("counted %v", n)
		}
	})
}

// TestRefusedSendIsLoggedWithItsTopic: the operator has to find the client and the rule.
func TestRefusedSendIsLoggedWithItsTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, nil, push.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Authorize: push.Rules()})
		defer w.shutdown()
		s := w.open(newConn())
		defer s.Close(nil)
		for _, topic := range []string{"room/1", "made\nup"} {
			log.Reset()
			if _, err := s.Inbound(t.Context(), new(session.Meter), push.Inbound{Topic: topic, Data: []byte("x")}); err == nil {
				t.Fatal("it was taken")
			}
			lines := logLines(t, &log)
			if len(lines) != 1 || lines[0].Session != s.ID() || (lines[0].Topic == topic) != (topic == "room/1") {
				t.Errorf("%q: logged %+v", topic, lines)
			}
		}
	})
}
