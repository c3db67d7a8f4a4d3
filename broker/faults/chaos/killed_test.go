package main

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestInstanceKilledUnderLoad kills one of three instances, while messages flow to a thousand clients. Its clients come
// back on the two others, whole, and Redis isn't asked for each of them.
func TestInstanceKilledUnderLoad(t *testing.T) {
	quiet(t)
	var out bytes.Buffer
	w, err := newWorld(config{
		seed: 1, webSockets: 800, eventStreams: 200, topics: 10, publishers: 10, rate: 20, heartbeat: 20 * time.Second,
	}, &out)
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Errorf("close: %v\n%s", err, out.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	t.Cleanup(publishing.Wait)
	t.Cleanup(cancel)
	for _, p := range w.publishers {
		publishing.Go(func() { p.run(ctx) })
	}
	prober := w.newPublisher(w.config.publishers, time.Second)
	reach := func() {
		t.Helper()
		limit, cancel := context.WithTimeout(t.Context(), wholeWithin)
		defer cancel()
		w.probe(limit, prober)
		if limit.Err() != nil {
			t.Fatal("clients didn't get all")
		}
	}
	reach()

	const victim = 0
	resumed, topics := 0, 0
	for _, c := range w.clients {
		if instance, _ := c.on(); instance == victim {
			resumed++
			topics += len(c.topics)
		}
	}
	reads := -readCalls(t, w)
	if err := w.instances[victim].stop(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err = w.await("clients that are back", wholeWithin, func(c *client) bool {
		instance, connected := c.on()
		return connected && instance != victim
	})
	if err != nil {
		t.Fatal(err)
	}
	back := time.Since(begin) //clock:real it is only told
	reach()
	reads += readCalls(t, w)
	t.Logf("%d clients with %d topics were back after %v; Redis was asked %d times for history", resumed, topics, back, reads)
	if reads*5 > resumed {
		t.Errorf("Redis was asked %d times for history, for %d clients", reads, resumed)
	}
	if resumed < len(w.clients)/(2*instances) {
		t.Errorf("only %d clients were on the instance that was killed", resumed)
	}

	cancel()
	publishing.Wait()
	if err := w.settle(); err != nil {
		t.Error(err)
	}
	w.stop()
	w.running.Wait()
	v := w.ledger.judge(w.views())
	for _, found := range w.found.list() {
		t.Errorf("%s: client %d, %s: %s", found.kind, found.client, found.topic, found.text)
	}
	if v.acknowledged == 0 || v.unknown > 0 || v.lost > 0 || v.covered > 0 {
		t.Errorf("got %+v", v)
	}
}

// readCalls is how many scripts Redis has run, less those that store a message.
func readCalls(t *testing.T, w *world) int {
	t.Helper()
	client := redis.NewClient(w.primary().Options())
	defer client.Close()
	info, err := client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for line := range strings.Lines(info) {
		name, figures, _ := strings.Cut(line, ":calls=")
		if name == "cmdstat_evalsha" || name == "cmdstat_eval" {
			count, _, _ := strings.Cut(figures, ",")
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			calls += n
		}
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	return calls - len(w.ledger.publications)
}
