//go:build unix

package systemd

import (
	"context"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

// TestStatesReachTheSocket with a socket as systemd opens it.
func TestStatesReachTheSocket(t *testing.T) {
	name, socket := servetest.NotifySocket(t)
	n := fromEnvironment(environment(map[string]string{"NOTIFY_SOCKET": name}), 1)
	for _, test := range []struct {
		tell func() error
		want string
	}{
		{n.Ready, "READY=1\nSTATUS=serving"}, {n.Stopping, "STOPPING=1\nSTATUS=draining"},
	} {
		if err := test.tell(); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 100)
		size, err := socket.Read(buffer)
		if err != nil || string(buffer[:size]) != test.want {
			t.Errorf("got %q, %v", buffer[:size], err)
		}
	}
	if err := fromEnvironment(environment(map[string]string{"NOTIFY_SOCKET": name + "x"}), 1).Ready(); err == nil {
		t.Error("there is no such socket")
	}
}

func TestWithoutSystemdNothingIsSaid(t *testing.T) {
	n := fromEnvironment(environment(nil), 1)
	for _, tell := range []func() error{n.Ready, n.Stopping, func() error { return n.Watch(t.Context(), nil) }} {
		if err := tell(); err != nil {
			t.Error(err)
		}
	}
}

func TestWatchdogIsFedTwiceAsOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := fromEnvironment(environment(map[string]string{"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}), 7)
		ctx, cancel := context.WithTimeout(t.Context(), 61*time.Second)
		defer cancel()
		var states []string
		n.send = func(state string) error { states = append(states, state); return nil }
		checks := 0
		if err := n.Watch(ctx, func() error { checks++; return nil }); err != nil {
			t.Error(err)
		}
		if want := slices.Repeat([]string{"WATCHDOG=1"}, 5); !slices.Equal(states, want) || checks != 5 {
			t.Errorf("%q, %d checks", states, checks)
		}
	})
}

// TestHangingServerIsSilent: a check that doesn't return, or fails, is what a watchdog is for.
func TestHangingServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := fromEnvironment(environment(map[string]string{"WATCHDOG_USEC": "1000000"}), 7)
		said := 0
		n.send = func(string) error { said++; return nil }
		ctx, cancel := context.WithCancel(t.Context())
		hang, ended := make(chan struct{}), make(chan error)
		go func() { ended <- n.Watch(ctx, func() error { <-hang; return os.ErrClosed }) }()
		time.Sleep(time.Minute)
		if said > 0 {
			t.Errorf("it said %d times that it lives", said)
		}
		cancel()
		close(hang)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWatchdogOfAnotherProcess(t *testing.T) {
	if n := fromEnvironment(environment(map[string]string{"WATCHDOG_USEC": "1", "WATCHDOG_PID": "8"}), 7); n.watchdog != 0 {
		t.Error(n.watchdog)
	}
}
