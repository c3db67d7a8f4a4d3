package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
)

// settingsOf returns the settings of the unit by their names; one that is given again counts.
func settingsOf(t *testing.T, unit string) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for line := range strings.Lines(unit) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			settings[name] = value
		}
	}
	return settings
}

func TestUnitFitsTheServer(t *testing.T) {
	settings := settingsOf(t, read(t, "tidewire.service"))
	if settings["Type"] != "notify" || settings["DynamicUser"] != "yes" || settings["WantedBy"] != "multi-user.target" {
		t.Errorf("%v", settings)
	}
	for name, least := range map[string]time.Duration{"WatchdogSec": 10 * time.Second, "TimeoutStopSec": 0} {
		d, err := time.ParseDuration(settings[name])
		if name == "TimeoutStopSec" {
			loaded, loadErr := config.Load(nil, nil, os.Stderr)
			if loadErr != nil {
				t.Fatal(loadErr)
			}
			least = time.Duration(loaded.Drain.Delay+loaded.Drain.Window) + 10*time.Second
		}
		if err != nil || d < least {
			t.Errorf("%s is %s, %v; it has to be %v at least", name, settings[name], err, least)
		}
	}
}

// TestSystemdUnderstandsTheUnit, where systemd-analyze is; it wants the binary to be there.
func TestSystemdUnderstandsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze isn't here: the unit isn't verified")
		return
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "tidewire.service")
	text := strings.ReplaceAll(read(t, "tidewire.service"), "/usr/local/bin/tidewire", binary)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
