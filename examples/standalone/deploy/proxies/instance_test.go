package proxies

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
)

const publishKey = "of the test"

// build compiles the standalone server, as its Dockerfile does.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "standalone")
	command := exec.Command("go", "build", "-o", binary, "./examples/standalone")
	command.Dir = "../../../.."
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// instance is a standalone server at an address that it keeps over restarts.
type instance struct {
	binary, address, redis string
	command                *exec.Cmd
	ended                  <-chan struct{}
}

func (i *instance) start(t *testing.T) {
	t.Helper()
	i.command, i.ended = run(t, os.Kill, []string{"TIDEWIRE_PUBLISH_KEY=" + publishKey},
		i.binary, "-addr", i.address, "-anyone", "-redis", i.redis, "-drain-delay", "2s")
	testaid.Eventually(t, "an instance is ready", func() bool { return i.ready() || isClosed(i.ended) })
	if isClosed(i.ended) {
		t.Fatal("an instance has ended")
	}
}

func (i *instance) ready() bool {
	r, err := http.Get("http://" + i.address + "/readyz")
	if err != nil {
		return false
	}
	_ = r.Body.Close() // the status is all
	return r.StatusCode == http.StatusOK
}

// stop ends the instance as an operator does, and waits until it has drained.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	if err := i.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-i.ended
	if state := i.command.ProcessState; !state.Success() {
		t.Errorf("an instance ended with %v", state)
	}
}
