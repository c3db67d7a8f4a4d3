package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push/pushtest"
)

func TestMain(m *testing.M) { servetest.Main(m, main) }

// TestProgramOfTheReadme runs it as a process: a page, a clock, and a clean end by SIGTERM.
func TestProgramOfTheReadme(t *testing.T) {
	p := servetest.StartProcess(t)
	if status, body := p.Do(t, http.MethodGet, "/", ""); status != http.StatusOK || body != page {
		t.Errorf("the page is %d %s", status, body)
	}
	if status, body := p.Do(t, http.MethodGet, "/push/client.mjs", ""); status != http.StatusOK || !strings.Contains(body, "connect") {
		t.Errorf("the client is %d", status)
	}
	clock := p.Follow(t, "clock", "")
	if frame, ok := clock.Next(t); !ok || frame.Type != "message" {
		t.Errorf("got %+v", frame)
	}
	clock.Close()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestTickOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		rec := pushtest.NewRecorder(t)
		begin := time.Now()
		go tick(ctx, rec)
		time.Sleep(2500 * time.Millisecond)
		cancel()
		rec.Expect("clock", begin.Add(time.Second).Format(time.TimeOnly), begin.Add(2*time.Second).Format(time.TimeOnly))
		rec.None()
	})
}
