//go:build unix

package redistest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// patience is how long anything here waits for Redis. It ends what is broken.
	patience = time.Minute
	// step is how often it looks.
	step = 5 * time.Millisecond
)

// until waits for a condition. Its error says what was waited for.
func until(what string, condition func() bool) error {
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(step) { //clock:real it looks for what comes
		if time.Now().After(deadline) {
			return fmt.Errorf("redistest: %s: not within %v", what, patience)
		}
	}
	return nil
}

// process is one run of a program.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it was waited for
}

// run starts a program that writes its log to a file.
func run(log, name string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the caller's folder
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	// Its end is asked for by signals, of which a context has only one.
	command := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // the program is a constant
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("redistest: %s is needed (the package redis-server of Debian has it): %w", name, err)
	}
	p := &process{command: command, ended: make(chan struct{})}
	go func() { // ends with the process, which stop waits for
		defer close(p.ended)
		_ = command.Wait() // how it ended is in its log
	}()
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop sends a signal and waits for the end.
func (p *process) stop(signal os.Signal) error {
	_ = p.command.Process.Signal(signal) // fails only if it has ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience): //clock:real it ends what is broken
		return fmt.Errorf("redistest: process %d goes on %v after %v", p.command.Process.Pid, patience, signal)
	}
}

// freeze returns when the process has stopped, not only been told to.
func (p *process) freeze() error {
	if err := p.command.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return until("freezing a process", func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.command.Process.Pid), "stat"))
		if err != nil {
			return true // no such files on this system: trust the signal
		}
		_, state, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(state, "T")
	})
}

func (p *process) thaw() error { return p.command.Process.Signal(syscall.SIGCONT) }
