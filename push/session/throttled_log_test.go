package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// logLine is a line of the log.
type logLine struct {
	Level   string
	Msg     string
	Code    push.Code
	Reason  string
	Hint    string
	Method  string
	Address string
	Topic   string
	Session string
	Origin  string
	Host    string
	Passed  string `json:"x_forwarded_host"`
	Site    string `json:"sec_fetch_site"`
	Error   string
	Panic   string
	LeftOut int `json:"left_out"`
}

func logLines(t *testing.T, log *bytes.Buffer) (lines []logLine) {
	t.Helper()
	for d := json.NewDecoder(log); d.More(); {
		var line logLine
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// TestLogCannotBeFlooded has a client that is refused, or makes a hook panic, again and
// again. What the application quotes of it is cut.
func TestLogCannotBeFlooded(t *testing.T) {
	long := "ä" + strings.Repeat("€", 10_000)
	tests := []struct {
		name, msg string
		authorize func(ctx context.Context, a push.Access) error
	}{
		{"refused", "push: refused", func(context.Context, push.Access) error { return errors.New("nobody is " + long) }},
		{"panic", "push: panic in a hook", func(context.Context, push.Access) error { panic("nobody is " + long) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				w := newWorld(t, nil, push.Options{Authorize: test.authorize, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
				defer w.shutdown()
				s := w.open(newConn())
				for range 1000 {
					w.subscribe(s, "", "a")
				}
				time.Sleep(time.Minute)
				w.subscribe(s, "", "a")
				synctest.Wait()
				lines := slices.DeleteFunc(logLines(t, &log), func(line logLine) bool { return line.Msg != test.msg })
				if len(lines) != 6 {
					t.Fatalf("%d lines", len(lines))
				}
				for i, line := range lines {
					if said := line.Error + line.Panic; !strings.Contains(said, "nobody is ä") || len(said) > 260 || strings.ContainsRune(said, '\ufffd') {
						t.Errorf("line %d is %+v", i, line)
					}
				}
				if n := lines[5].LeftOut; n != 995 {
					t.Errorf("%d were left out", n)
				}
			})
		})
	}
}

// TestClientThatLeavesIsNotLogged: it may leave while its topics are asked for.
func TestClientThatLeavesIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, nil, push.Options{
			Authorize: func(ctx context.Context, _ push.Access) error {
				<-ctx.Done()
				return ctx.Err()
			},
			Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		})
		defer w.shutdown()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := w.open(newConn())
		s.Subscribe(ctx, []session.Follow{{Topic: "a"}}, func([]session.Followed) *session.Frame { return word("hello") })
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("logged %s", log.String())
		}
	})
}
