// Command footprint builds the standalone server as it is deployed, starts it, and prints how
// soon it is ready and what it takes then. It fails only if the binary isn't static.
//
//	go run ./footprint DIRECTORY
//
// The size of a process is read from /proc, so it needs Linux.
package main

import (
	"bufio"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// starts is how often the server is started; the median counts.
const starts = 15

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: footprint DIRECTORY")
		os.Exit(2)
	}
	if err := measure(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, repository string) error {
	dir, err := os.MkdirTemp("", "footprint")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "standalone")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./examples/standalone") //nolint:gosec // all of it is ours
	build.Dir, build.Env, build.Stderr = repository, append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	if err := printBinary(binary); err != nil {
		return err
	}
	var times []time.Duration
	var sizes []string
	for range starts {
		took, size, err := start(ctx, binary)
		if err != nil {
			return err
		}
		times, sizes = append(times, took), append(sizes, size)
	}
	slices.Sort(times)
	slices.Sort(sizes)
	fmt.Printf("from start to ready: median %v, of %d starts from %v to %v\n",
		times[starts/2].Round(time.Millisecond), starts, times[0].Round(time.Millisecond), times[starts-1].Round(time.Millisecond))
	fmt.Printf("resident memory: at most %s\n", sizes[starts-1])
	return nil
}

// printBinary prints the size of a binary, and returns an error unless it is static.
func printBinary(name string) error {
	f, err := elf.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, part := range f.Progs {
		if part.Type == elf.PT_INTERP {
			return errors.New("the binary isn't static")
		}
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	fmt.Printf("binary: static, %.1f MB\n", float64(info.Size())/1e6)
	return nil
}

// start starts the server, and returns how long it takes until /readyz says so, and its
// resident memory as the kernel writes it.
func start(ctx context.Context, binary string) (took time.Duration, size string, err error) {
	server := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0", "-ops", "127.0.0.1:0", "-anyone")
	stdout, err := server.StdoutPipe()
	if err != nil {
		return 0, "", err
	}
	begun := time.Now()
	if err := server.Start(); err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, server.Process.Signal(os.Interrupt), server.Wait()) }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return 0, "", err
	}
	_, ops, _ := strings.Cut(strings.TrimSpace(line), " operators on ")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, ops+"/readyz", nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	took = time.Since(begun)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, "", fmt.Errorf("/readyz answers %s", response.Status)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, "", err
	}
	size, err = resident(server.Process.Pid)
	return took, size, err
}

func resident(pid int) (string, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(size), nil
		}
	}
	return "", errors.New("the kernel doesn't say VmRSS")
}
