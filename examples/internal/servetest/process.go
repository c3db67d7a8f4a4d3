package servetest

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
)

// asProcess makes a test binary run the example instead of its tests.
const asProcess = "TIDEWIRE_EXAMPLE_PROCESS"

// Main runs the tests of an example, and lets StartProcess start it.
func Main(m *testing.M, example func()) {
	if os.Getenv(asProcess) != "" {
		example()
		os.Exit(0)
	}
	testaid.Main(m)
}

// Process is an example that runs in a process of its own.
type Process struct {
	*Server
	command *exec.Cmd
	signal  sync.Once
	log     bytes.Buffer
}

// StartProcess starts the example of this test on a free port. The package's TestMain has
// to call Main. Stop sends SIGTERM, and returns an error unless the process then exits with 0.
func StartProcess(t *testing.T, args ...string) *Process {
	t.Helper()
	p := &Process{Server: newServer(t)}
	p.command = exec.CommandContext(t.Context(), os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.command.Env = append(os.Environ(), asProcess+"=1")
	p.command.Stderr = &p.log
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the process didn't start: %v, %v", err, p.command.Wait())
	}
	p.read(line)
	ended := make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, stdout) // until it ends
		ended <- p.command.Wait()
		close(ended)
	}()
	p.Stop = func() error {
		p.Signal(t)
		return <-ended
	}
	return p
}

// Signal sends SIGTERM, once: a second one would end the process at once.
func (p *Process) Signal(t *testing.T) {
	t.Helper()
	p.signal.Do(func() {
		if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
}

// Log is what the process has logged. It is for after its end.
func (p *Process) Log() string { return p.log.String() }
