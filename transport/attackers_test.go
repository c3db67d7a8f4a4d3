//go:build unix

package transport_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// attackers is a process beside the test's, which gets half a processor: what it costs to
// attack is not what the test measures.
type attackers struct {
	t       *testing.T
	command *exec.Cmd
	stdin   io.Closer
	output  io.Reader
}

// attackerRoles are what such a process may do until its context ends, and how often it did
// what.
var attackerRoles = map[string]func(ctx context.Context, address string, count int) map[string]int64{
	"hog":     hog,
	"hostile": hostileClients,
	"worst":   worstClient,
}

var attacksPerSecond = flag.Int("attacks", 0, "how many attacks a second hostile clients begin at most; 0: as many as half a processor can")

const roleVariable = "TIDEWIRE_TEST_ATTACKERS"

// The test's own program is the attackers' as well, if the environment says so.
func init() { //nolint:gochecknoinits // before the flags of a test are read
	role, ok := attackerRoles[os.Getenv(roleVariable)]
	if !ok {
		return
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // which ends with the test at the latest
		stop()
	}()
	if err := json.NewEncoder(os.Stdout).Encode(role(ctx, os.Args[1], count)); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// startAttackers starts a process of this role against an address.
func startAttackers(t *testing.T, role, address string, count int) *attackers {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, address, strconv.Itoa(count))
	command.Env = append(os.Environ(), roleVariable+"="+role, "GOMAXPROCS=1", "GORACE=exitcode=0",
		rateVariable+"="+strconv.Itoa(*attacksPerSecond))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	a := &attackers{t, command, stdin, output}
	t.Cleanup(func() {
		if a.command != nil {
			a.stop()
		}
	})
	return a
}

// stop ends the process, and tells how often it did what.
func (a *attackers) stop() map[string]int64 {
	a.t.Helper()
	command := a.command
	a.command = nil
	if err := a.stdin.Close(); err != nil {
		a.t.Error(err)
	}
	var done map[string]int64
	if err := json.NewDecoder(a.output).Decode(&done); err != nil {
		a.t.Errorf("attackers: %v", err)
	}
	if err := command.Wait(); err != nil {
		a.t.Errorf("attackers: %v", err)
	}
	return done
}

// pace holds this process to half a processor. The zero value is ready; its first use
// begins the count.
type pace struct {
	mu    sync.Mutex // one looks while the others wait, which costs nothing
	begun time.Time
}

// rateVariable says how many attacks a second the process may begin; as many as half a
// processor can if it isn't there.
const rateVariable = "TIDEWIRE_TEST_ATTACK_RATE"

// attackRate gives attacks their turns.
type attackRate struct {
	each time.Duration // static; between two

	mu   sync.Mutex
	next time.Time
}

func newAttackRate() *attackRate {
	perSecond, err := strconv.Atoi(os.Getenv(rateVariable))
	if err != nil || perSecond <= 0 {
		return &attackRate{}
	}
	return &attackRate{each: time.Second / time.Duration(perSecond)}
}

// wait waits for a turn, or until ctx ends.
func (r *attackRate) wait(ctx context.Context) {
	if r.each == 0 {
		return
	}
	r.mu.Lock()
	now := time.Now() //clock:real a rate is kept in real time
	if r.next.Before(now) {
		r.next = now
	}
	turn := r.next
	r.next = turn.Add(r.each)
	r.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(turn)): //clock:real a rate is kept in real time
	}
}

// wait waits until the process has used no more than half of the time since its beginning.
func (p *pace) wait(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun.IsZero() {
		p.begun = time.Now()
	}
	for ctx.Err() == nil && 2*usedProcessor() > time.Since(p.begun) { //clock:real a pace is kept in real time
		time.Sleep(2 * time.Millisecond) //clock:real a pace is kept in real time
	}
}

// usedProcessor is how much processor time this process has used.
func usedProcessor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// hog only uses its half of a processor, which is what attackers are compared with.
func hog(ctx context.Context, _ string, _ int) map[string]int64 {
	var p pace
	var rounds int64
	for x := uint64(1); ctx.Err() == nil; rounds++ {
		for range 100_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if x == 0 {
			break // so that the loop isn't left out
		}
		p.wait(ctx)
	}
	return map[string]int64{"rounds": rounds}
}
