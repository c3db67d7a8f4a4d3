package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
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
	countReads := watchReads(t, w)
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
	reads := countReads()
	t.Logf("%d clients with %d topics were back after %v; Redis was asked %d times for history", resumed, topics, back, reads)
	if reads*5 > topics {
		t.Errorf("Redis was asked %d times for history, for %d topics of clients", reads, topics)
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
	if v.acknowledged == 0 || v.refused > 0 || v.lost > 0 || v.covered > 0 {
		t.Errorf("got %+v", v)
	}
}

// watchReads counts the reads of history that Redis runs from now on, until count is called.
func watchReads(t *testing.T, w *world) (count func() int) {
	t.Helper()
	address := w.primary().Options().Addr
	monitor, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { monitor.Close() })
	if _, err := io.WriteString(monitor, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(monitor)
	if !lines.Scan() || lines.Text() != "+OK" {
		t.Fatalf("MONITOR: %q, %v", lines.Text(), lines.Err())
	}

	const end = "no more reads"
	counted := make(chan int, 1)
	go func() {
		defer close(counted)
		for reads := 0; lines.Scan(); {
			switch command := lines.Text(); {
			case strings.Contains(command, `"evalsha"`) && strings.Contains(command, ` "since" `):
				reads++
			case strings.Contains(command, end):
				counted <- reads
				return
			}
		}
	}()
	return func() int {
		client := redis.NewClient(w.primary().Options())
		defer client.Close()
		if err := client.Echo(t.Context(), end).Err(); err != nil {
			t.Fatal(err)
		}
		reads, whole := <-counted
		if !whole {
			t.Fatalf("MONITOR ended: %v", lines.Err())
		}
		return reads
	}
}
