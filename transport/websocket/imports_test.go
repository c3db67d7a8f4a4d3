package websocket

import (
	"os/exec"
	"strings"
	"testing"
)

// TestStandsAlone: the library is for programs that use nothing else of Tidewire. It
// depends on the standard library, on transport/internal, and on a compressor that can
// start from a dictionary without an allocation.
func TestStandsAlone(t *testing.T) {
	const module = "github.com/tidewire/tidewire/transport/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	for _, path := range packages {
		if path != module+"websocket" && !strings.HasPrefix(path, module+"internal/") && !strings.HasPrefix(path, "github.com/klauspost/compress/") {
			t.Errorf("transport/websocket depends on %s", path)
		}
	}
	if len(packages) == 0 {
		t.Error("not even on itself")
	}
}
