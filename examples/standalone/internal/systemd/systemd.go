// Package systemd tells systemd how the server is, by the protocol of sd_notify(3): datagrams
// to a Unix socket that the environment names. Without one it does nothing.
package systemd

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// Notifier sends the states of a service.
type Notifier struct {
	socket string
	// watchdog is how often systemd wants to hear; zero is never.
	watchdog time.Duration

	send func(state string) error // a test's own; nil is the socket
}

// New reads the environment of the process.
func New() *Notifier { return fromEnvironment(os.Getenv, os.Getpid()) }

func fromEnvironment(get func(string) string, pid int) *Notifier {
	n := &Notifier{socket: get("NOTIFY_SOCKET")}
	if of := get("WATCHDOG_PID"); of != "" && of != strconv.Itoa(pid) {
		return n // it is meant for another process
	}
	if µs, err := strconv.ParseInt(get("WATCHDOG_USEC"), 10, 64); err == nil && µs > 0 {
		n.watchdog = time.Duration(µs) * time.Microsecond
	}
	return n
}

// Ready says that the server serves.
func (n *Notifier) Ready() error { return n.notify("READY=1\nSTATUS=serving") }

// Stopping says that the server ends, which may take a while.
func (n *Notifier) Stopping() error { return n.notify("STOPPING=1\nSTATUS=draining") }

// Watch says that the server lives, twice as often as systemd wants to hear, as long as check
// returns nil. It returns when the context ends, or at once if systemd wants to hear nothing.
func (n *Notifier) Watch(ctx context.Context, check func() error) error {
	if n.watchdog == 0 || n.socket == "" && n.send == nil {
		return nil
	}
	ticks := time.NewTicker(n.watchdog / 2)
	defer ticks.Stop()
	for {
		if err := check(); err != nil {
			slog.Error("the server hangs, and systemd is to restart it", "error", err)
		} else if err := n.notify("WATCHDOG=1"); err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (n *Notifier) notify(state string) error {
	if n.send != nil {
		return n.send(state)
	}
	if n.socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"}) // @… is abstract
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(state))
	return err
}
