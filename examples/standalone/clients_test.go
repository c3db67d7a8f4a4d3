package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/examples/internal/servetest"
)

// languages are the programs of clients, and what runs each.
var languages = map[string]struct {
	run  []string
	name string // what it calls itself
}{
	"curl.sh":     {[]string{"sh"}, "curl"},
	"client.py":   {[]string{"python3"}, "Python"},
	"client.mjs":  {[]string{"node"}, "Node"},
	"Client.java": {[]string{"java", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}, "Java"},
	"client.php":  {[]string{"php"}, "PHP"},
}

// TestClients runs those whose language is here: each publishes, and follows what it and
// others publish, also after its connection has ended.
func TestClients(t *testing.T) {
	t.Parallel()
	for file, language := range languages {
		t.Run(language.name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(language.run[0])
			if err != nil {
				t.Logf("%s isn't here: clients/%s isn't run", language.run[0], file)
				return
			}
			s := servetest.Start(t, run, "-anyone", "-publish-key", "secret")
			wire := newWire(t, strings.TrimPrefix(s.URL, "http://"))
			command := exec.CommandContext(t.Context(), program, append(slices.Clone(language.run[1:]), filepath.Join("clients", file))...)
			command.Env = append(os.Environ(), "TIDEWIRE=http://"+wire.Addr().String(), "KEY=secret", "TMPDIR="+t.TempDir())
			command.Stderr = t.Output()
			command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a shell has children
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // it would follow for ever
				_ = command.Wait()
			}()
			lines := bufio.NewScanner(stdout)
			got := func(want string) {
				t.Helper()
				for lines.Scan() {
					// Those that print JSON print all of it; curl prints its receipt, too.
					if strings.Contains(lines.Text(), want) {
						return
					}
					if strings.Contains(lines.Text(), "hello") {
						t.Errorf("got %q, want %q", lines.Text(), want)
					}
				}
				t.Errorf("the client has ended, and %q is missing", want)
			}
			got("hello from " + language.name)
			wire.cut()
			for _, text := range []string{"one", "two", "three"} {
				if status, body := s.Do(t, http.MethodPost, "/api/publish", `{"topic":"news","data":"`+text+`"}`, "Authorization", "Bearer secret"); status != http.StatusOK {
					t.Fatal(body)
				}
				got(text)
			}
		})
	}
}

// wire is between a client and the server, and can be cut.
type wire struct {
	net.Listener
	target string

	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener, target: target}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := w.Accept()
			if err != nil {
				return
			}
			work.Go(func() { w.join(c) })
		}
	})
	t.Cleanup(func() {
		w.Close()
		w.cut()
		work.Wait()
	})
	return w
}

// join joins a connection with one to the target, until either ends.
func (w *wire) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	w.conns = append(w.conns, client, server)
	w.mu.Unlock()
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(server, client); server.Close(); client.Close() })
	copies.Go(func() { _, _ = io.Copy(client, server); server.Close(); client.Close() })
	copies.Wait()
}

// cut ends all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// TestAllClientsAreRun: none is beside the table.
func TestAllClientsAreRun(t *testing.T) {
	entries, err := os.ReadDir("clients")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, ok := languages[entry.Name()]; !ok {
			t.Errorf("clients/%s isn't in the table", entry.Name())
		}
	}
}

// TestTokenOfTheGuide: the server takes what token.py makes, for its user's topics alone.
func TestTokenOfTheGuide(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Log("python3 isn't here: token.py isn't run")
		return
	}
	command := exec.CommandContext(t.Context(), program, "token.py", "ann")
	command.Env = append(os.Environ(), "SECRET="+tokenSecret)
	token, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	s := servetest.Start(t, run, "-jwt-secret", tokenSecret, "-jwt-algorithms", "HS256", "-jwt-audience", "push")
	for topic, want := range map[string]int{"orders/ann": http.StatusOK, "orders/bob": http.StatusForbidden} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/push/poll?wait=0&topic="+topic, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", topic, response.StatusCode, want)
		}
	}
}
