package serve

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHealthWhileDraining: during the delay all goes on, but for what health says.
func TestHealthWhileDraining(t *testing.T) {
	ctx, terminate := context.WithCancel(t.Context())
	draining, delay, drained := make(chan struct{}), make(chan time.Time), make(chan struct{})
	reader, stdout := io.Pipe()
	ended := make(chan error, 1)
	var hooks []string
	go func() {
		ended <- Run(ctx, stdout, Server{
			Name: "Test", Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", DrainDelay: time.Hour,
			Handler: served("served "), Ops: served("operated "),
			Started: func() { hooks = append(hooks, "started") }, Draining: func() { hooks = append(hooks, "draining") },
			Drain: func(context.Context) error {
				close(drained)
				return nil
			},
			after: func(time.Duration) <-chan time.Time {
				close(draining)
				return delay
			},
		})
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, urls, _ := strings.Cut(strings.TrimSpace(line), " listens on ")
	url, ops, _ := strings.Cut(urls, ", and for operators on ")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	want := func(path, want string) {
		t.Helper()
		if below, isOps := strings.CutPrefix(path, "ops"); isOps {
			path = ops + below
		} else {
			path = url + path
		}
		response, err := client.Get(path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := response.Status[:3] + " " + strings.TrimSpace(string(body)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	want("/healthz", "200 ok")
	want("/readyz", "200 served /readyz")
	want("/other", "200 served /other")
	want("ops/healthz", "200 operated /healthz")
	want("ops/readyz", "200 operated /readyz")
	terminate()
	<-draining
	want("/healthz", "503 draining")
	want("/readyz", "503 draining")
	want("/other", "200 served /other")
	want("ops/healthz", "200 operated /healthz")
	want("ops/readyz", "503 draining")
	select {
	case <-drained:
		t.Error("drained before the delay was over")
	default:
	}
	close(delay)
	<-drained
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !slices.Equal(hooks, []string{"started", "draining"}) {
		t.Errorf("called were %v", hooks)
	}
}

// served answers with a text and the path.
func served(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, text+r.URL.Path) }
}
