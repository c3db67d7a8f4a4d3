package transport_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestSlowloris has a thousand connections that are kept by a byte now and then, or by
// nothing at all. Each is cut at its limit, whatever it has sent; honest clients notice
// nothing, and nothing is left.
func TestSlowloris(t *testing.T) {
	w := newCrowd(t, push.Options{Logger: slog.New(slog.DiscardHandler)})
	secure := httptest.NewUnstartedServer(w.server.Handler)
	harden(secure.Config)
	secure.Config.ReadHeaderTimeout = w.server.ReadHeaderTimeout
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	w.follow(20)

	hello := clientHello(t)
	kinds := []struct {
		name    string
		address string
		at      []byte // at once
		slowly  []byte // a byte now and then, and then nothing
	}{
		{"nothing", w.address, nil, nil},
		{"headers", w.address, nil, []byte(handshakeTo("/push/ws?topic=h0"))},
		{"headers without end", w.address, []byte("GET /push/sse?topic=h0 HTTP/1.1\r\nHost: x\r\nA: "), []byte(strings.Repeat("a", 1000))},
		{"hello and nothing", secure.Listener.Addr().String(), hello, nil},
		{"hello", secure.Listener.Addr().String(), nil, hello},
		{"a body", w.address, []byte("POST /push/send?topic=h0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"), make([]byte, 1000)},
		{"a body of a handshake", w.address, []byte("POST /push/ws?topic=h0 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"), make([]byte, 1000)},
		{"a chunked body", w.address, []byte("POST /push/publish?topic=h0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n"), make([]byte, 1000)},
		{"frames", w.address, []byte(handshakeTo("/push/ws?topic=h0")), frame(0x81, make([]byte, 1000))},
		{"fragments and pongs", w.address, append([]byte(handshakeTo("/push/ws?topic=h0")), 0x01, 0x80, 0, 0, 0, 0), bytes.Repeat([]byte("\x8A\x80\x00\x00\x00\x00"), 200)},
	}
	begin := time.Now()
	var running sync.WaitGroup
	for _, kind := range kinds {
		var mu sync.Mutex
		var last time.Duration
		var all sync.WaitGroup
		for range 1000 / len(kinds) {
			all.Go(func() {
				took := untilCut(t, kind.name, kind.address, kind.at, kind.slowly)
				mu.Lock()
				defer mu.Unlock()
				last = max(last, took)
			})
		}
		running.Go(func() {
			all.Wait()
			t.Logf("%s: all were cut after %v", kind.name, last.Round(time.Millisecond))
		})
	}
	got := w.publish(150, 50*time.Millisecond)
	running.Wait()
	t.Logf("honest clients: %v; all were cut after %v", got, time.Since(begin)) //clock:real it is only told
	secure.Close()
	w.end()
}

// untilCut keeps a connection until the server closes it, and tells how long that took.
func untilCut(t *testing.T, name, address string, at, slowly []byte) time.Duration {
	begin := time.Now()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer c.Close()
	_ = c.SetDeadline(begin.Add(testaid.Patience)) // ends a broken test
	cut := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		cut <- err
	}()
	write(c, at)
	for i := 0; ; i++ {
		select {
		case err := <-cut:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: wasn't cut", name)
			}
			return time.Since(begin) //clock:real it is only told
		case <-time.After(300 * time.Millisecond): //clock:real an attacker takes its time
			if i < len(slowly) {
				write(c, slowly[i:i+1])
			}
		}
	}
}

// clientHello is what a TLS client begins with.
func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(near, &tls.Config{InsecureSkipVerify: true}).Handshake() // nobody answers
	}()
	hello := make([]byte, 4096)
	n, err := far.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	far.Close()
	<-done
	return hello[:n]
}
