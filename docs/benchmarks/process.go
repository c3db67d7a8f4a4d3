package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running server, measured from outside.
type process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	port    int
}

// begin starts a command that prints its port.
func begin(name string, args ...string) (*process, error) {
	command := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // what was built here
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, stdin: stdin, stdout: bufio.NewReader(stdout)}
	p.port, err = p.number()
	if err != nil {
		p.end()
		return nil, fmt.Errorf("%s: no port: %w", strings.Join(command.Args, " "), err)
	}
	return p, nil
}

// number reads a line of the standard output.
func (p *process) number() (int, error) {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

// publish sends one publication on its way.
func (p *process) publish(topic string, data []byte) error {
	line := append(append([]byte(topic), ' '), data...)
	_, err := p.stdin.Write(append(line, '\n'))
	return err
}

// publishing asks how long the calls of publish have taken so far.
func (p *process) publishing() (time.Duration, error) {
	if _, err := p.stdin.Write([]byte("?\n")); err != nil {
		return 0, err
	}
	n, err := p.number()
	return time.Duration(n), err
}

// end closes the standard input, with which servers end, and makes sure of it.
func (p *process) end() {
	_ = p.stdin.Close() // it ends either way
	killer := time.AfterFunc(5*time.Second, func() { _ = p.command.Process.Kill() })
	_ = p.command.Wait() // how it ended doesn't matter
	killer.Stop()
}

// pids are the process and its children, which is where some servers have their workers.
func (p *process) pids() []int {
	pid := p.command.Process.Pid
	pids := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return pids
	}
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:gosec // a file of the kernel
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// cpu is the time that the processors have spent for the process, user and system.
func (p *process) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range p.pids() {
		cpu, err := cpuOf(pid)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// cpuOf reads the clock of another process: the same sum as in /proc/PID/stat, but in nanoseconds.
func cpuOf(pid int) (time.Duration, error) {
	const scheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

var errNoMemory = errors.New("no Pss in smaps_rollup")

// rss is the memory that the process holds, in bytes. What it shares with its children counts once.
func (p *process) rss() (int, error) {
	sum := 0
	for _, pid := range p.pids() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		_, text, ok := bytes.Cut(text, []byte("\nPss:"))
		if !ok {
			return 0, errNoMemory
		}
		text, _, _ = bytes.Cut(text, []byte(" kB"))
		kib, err := strconv.Atoi(string(bytes.TrimSpace(text)))
		if err != nil {
			return 0, err
		}
		sum += kib << 10
	}
	return sum, nil
}
