package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is an instance that runs as a process of its own, and can be killed and started again at the same address.
// What it logs is in its file.
type process struct {
	// static
	log  string
	args []string

	mu      sync.Mutex // held by who stops or starts it
	address string
	command *exec.Cmd // nil while it doesn't run
	stdin   io.Closer
	stdout  io.Closer
}

const (
	// startPatience is how long an instance may take to start.
	startPatience = 20 * time.Second
	// Ports lie below those that systems take for outgoing connections, so that an instance finds its own free when it
	// comes back.
	firstPort = 22_000
	ports     = 10_000
	attempts  = 10
)

func startProcess(dir string, number int, args ...string) (*process, error) {
	p := &process{log: filepath.Join(dir, fmt.Sprintf("instance-%d.log", number)), args: args}
	var err error
	for range attempts {
		p.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		if err = p.start(); err == nil {
			break
		}
	}
	return p, err
}

func (p *process) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// Its end is asked for by signals, of which a context has only one.
	command := exec.CommandContext(context.Background(), self, append([]string{instanceArgument, "-listen", p.address}, p.args...)...) //nolint:gosec // ourselves
	command.Stderr = log
	stdin, err := command.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	p.command, p.stdin, p.stdout = command, stdin, stdout
	patience := time.AfterFunc(startPatience, func() { _ = command.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if !patience.Stop() || err != nil {
		return errors.Join(fmt.Errorf("an instance doesn't start; %s", p.lastWords()), p.stop(syscall.SIGKILL))
	}
	p.address = strings.TrimSpace(line)
	return nil
}

// stop ends the process with a signal and waits for it. An instance that was asked to end must have left nothing.
func (p *process) stop(with syscall.Signal) error {
	if p.command == nil {
		return nil
	}
	_ = p.command.Process.Signal(with) // fails only if it has ended
	patience := time.AfterFunc(drainTimeout+startPatience, func() { _ = p.command.Process.Kill() })
	err := p.command.Wait()
	patience.Stop()
	p.stdin.Close()
	p.stdout.Close()
	p.command = nil
	if err != nil && with == syscall.SIGTERM {
		return fmt.Errorf("an instance that was asked to end: %w; %s", err, p.lastWords())
	}
	return nil
}

// lastWords are the end of the log.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return "its log ends: " + string(text[max(0, len(text)-2000):])
}
