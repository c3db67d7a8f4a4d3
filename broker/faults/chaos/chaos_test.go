package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"github.com/rs/zerolog"
)

// TestChaos is a short run with few clients. It has time for some of the faults only; the command is for the rest.
func TestChaos(t *testing.T) {
	quiet(t)
	var out bytes.Buffer
	r, err := run(t.Context(), config{
		lasts: 15 * time.Second, period: 5 * time.Second, seed: 10,
		webSockets: 25, eventStreams: 5, topics: 6, states: 2, publishers: 10, rate: 50, heartbeat: defaultHeartbeat,
	}, &out)
	if err != nil {
		t.Fatal(err, out.String())
	}
	r.print(&out)
	if failures := r.failures(); len(failures) > 0 {
		t.Errorf("%q:\n%s", failures, out.String())
	}
	if r.verdict.delivered == 0 || r.verdict.acknowledged == 0 {
		t.Errorf("nothing happened:\n%s", out.String())
	}
}

// quiet silences what libraries have to say of faults.
func quiet(t *testing.T) {
	logging.Disable()
	level := zerolog.GlobalLevel()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	t.Cleanup(func() {
		logging.Enable()
		zerolog.SetGlobalLevel(level)
	})
}
