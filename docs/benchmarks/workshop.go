package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// workshop is where the servers are built and started.
type workshop struct {
	dir      string
	profiles string       // a folder for CPU profiles of the Go servers; empty: none
	node     func() error // installs what the servers for Node need
	started  int
}

// newWorkshop builds the servers in C and Go. Close removes them.
func newWorkshop() (*workshop, error) {
	dir, err := os.MkdirTemp("", "tidewire-benchmarks-")
	if err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, node: sync.OnceValue(installNode)}
	if err := run("cc", "-O2", "-o", w.file("floor"), "servers/floor/floor.c"); err != nil {
		w.close()
		return nil, err
	}
	if err := run("go", "build", "-o", w.file("servers"), "./servers"); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func installNode() error {
	if _, err := os.Stat("servers/node/node_modules"); err == nil {
		return nil
	}
	return run("npm", "ci", "--prefix", "servers/node", "--no-audit", "--no-fund", "--loglevel=error")
}

func run(name string, args ...string) error {
	command := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // one of those above
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

func (w *workshop) file(name string) string { return filepath.Join(w.dir, name) }

func (w *workshop) close() { _ = os.RemoveAll(w.dir) } // the system removes what is left of it

// start starts a server. The flags are for those in Go.
func (w *workshop) start(s *server, on wire, flags ...string) (*process, error) {
	switch s.program {
	case "floor":
		return begin(w.file("floor"), string(on))
	case "node":
		if err := w.node(); err != nil {
			return nil, err
		}
		return begin("node", "servers/node/"+s.name+".mjs")
	case "nginx":
		return w.startNchan()
	}
	if w.profiles != "" {
		w.started++
		file := fmt.Sprintf("%03d-%s-%s.prof", w.started, s.name, on)
		flags = append([]string{"-profile", filepath.Join(w.profiles, file)}, flags...)
	}
	return begin(w.file("servers"), append(flags, s.name)...)
}
