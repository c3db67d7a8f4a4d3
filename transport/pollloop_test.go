package transport_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/transporttest"
)

// TestLoopOfTheProtocolPolls runs the loop that docs/protocol.md shows, with data that looks
// like the end of an answer, and connections that are cut.
func TestLoopOfTheProtocolPolls(t *testing.T) {
	needTools(t, "sh", "curl")
	_, section, _ := strings.Cut(read(t, "../docs/protocol.md"), "\n## Polling\n")
	loop := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(section)
	if loop == nil {
		t.Fatal("there is no loop")
	}
	in := newInstance(t, membroker.New(), func(l net.Listener) net.Listener { return &everyThird{Listener: l} })
	script := strings.NewReplacer("http://127.0.0.1:8080", in.server.URL, "sleep 1", ":").Replace(loop[1])
	if !strings.Contains(script, in.server.URL) {
		t.Fatal("the loop is of another server")
	}
	out := startLoop(t, "", script)
	lines := bufio.NewScanner(out)
	lines.Scan() // the first answer is the cursor
	testaid.Eventually(t, "a poll", func() bool { return in.hub.Stats().Sessions == 1 })
	const messages = 20
	for i := range messages {
		m := push.Message{Topic: "clock", Data: fmt.Appendf(nil, `{"n":%d,"cursor":"x","t":"\",\"cursor\":\"y\"}"}`, i), Encoding: push.EncodingJSON}
		if _, err := in.hub.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < messages; {
		if !lines.Scan() {
			t.Fatalf("the loop has ended after %d messages", got)
		}
		var answer transporttest.PollAnswer
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, f := range answer.Frames {
			if f.Type != "message" || !strings.HasPrefix(string(f.Data), fmt.Sprintf(`{"n":%d,`, got)) {
				t.Fatalf("got %+v, want number %d", f, got)
			}
			got++
		}
	}
}

// everyThird is a listener whose every third connection is closed at once.
type everyThird struct {
	net.Listener
	n int
}

func (l *everyThird) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if l.n++; err == nil && l.n%3 == 0 {
		conn.Close()
	}
	return conn, err
}

// needTools skips a test of a script whose programs aren't there.
func needTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
}

// startLoop runs a script in a directory until the end of the test, and returns what it
// prints.
func startLoop(t *testing.T, dir, script string) io.Reader {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-c", script)
	command.Dir = dir
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Cancel()
		_ = command.Wait() // it was killed
	})
	return out
}
