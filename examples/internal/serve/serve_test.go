package serve

import (
	"bufio"
	"context"
	"io"
	"net/http"
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
	go func() {
		ended <- Run(ctx, stdout, Server{
			Name: "Test", Addr: "127.0.0.1:0", DrainDelay: time.Hour,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "served "+r.URL.Path) }),
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
	_, url, _ := strings.Cut(strings.TrimSpace(line), " listens on ")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	want := func(path, want string) {
		t.Helper()
		response, err := client.Get(url + path)
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
	terminate()
	<-draining
	want("/healthz", "503 draining")
	want("/readyz", "503 draining")
	want("/other", "200 served /other")
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
}
