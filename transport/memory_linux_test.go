package transport_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

var readers = flag.Int("readers", 200, "how many clients TestReadersThatDontRead has; from 1,000 on it looks at the resident memory, too")

// memoryCase is what the server and its readers are told.
type memoryCase struct {
	Readers int
	Ceiling int64         // Limits.Memory
	Load    time.Duration // how long
	Rate    int           // messages a second for readers
}

func memoryCaseOf(readers int) memoryCase {
	c := memoryCase{Readers: readers, Ceiling: 128 << 20, Load: time.Minute, Rate: 2000}
	if readers < 1000 {
		c.Ceiling, c.Load, c.Rate = 6<<20, 5*time.Second, 1000
	}
	return c
}

const (
	topicsOfReader = 20
	messageSize    = 4 << 10
)

// memoryFigures are what a server of TestReadersThatDontRead says of itself.
type memoryFigures struct {
	Memory, MostMemory int64 // counted
	RSS, MostRSS       int64 // since the ceiling was told
	Shed               uint64
	Sessions           int
}

// TestReadersThatDontRead has a server in a process of its own, and clients of which each
// follows topics of its own and reads nothing; when they are cut they come back. What is
// counted for them stays under the ceiling. So does, but for a fifth, what the process is
// larger by than with as many clients for which there is nothing. Clients that read get
// every message.
func TestReadersThatDontRead(t *testing.T) {
	c := memoryCaseOf(*readers)
	server := startMemoryServer(t, c)
	w := &crowd{t: t, address: server.address, send: server.publish}
	w.follow(50)
	stop := server.stalled(c)
	eventually(t, "all readers", func() bool { return server.figures().Sessions == c.Readers+50 })
	quiet := w.publish(100, 10*time.Millisecond)
	idle := server.ask("idle")

	server.tell("load")
	busy := w.publish(int(c.Load/(30*time.Millisecond)), 30*time.Millisecond)
	eventually(t, "a reader that was cut", func() bool { return server.figures().Shed > 0 })
	loaded := server.figures()
	server.tell("end of load")
	returns := w.returns.Load()
	stop()
	w.stop()
	w.running.Wait()
	eventually(t, "the end of all sessions", func() bool { f := server.figures(); return f.Sessions == 0 && f.Memory == 0 })

	grown := loaded.MostRSS - idle.RSS
	t.Logf("%d readers, ceiling %d MiB, GOMEMLIMIT %d MiB: at most %d MiB counted; resident %d MiB idle, at most %d MiB more (%.2f of the ceiling)",
		c.Readers, c.Ceiling>>20, (idle.RSS+c.Ceiling)>>20, loaded.MostMemory>>20, idle.RSS>>20, grown>>20, float64(grown)/float64(c.Ceiling))
	t.Logf("%d were cut; honest clients quiet: %v; beside them: %v; they came back %d times", loaded.Shed, quiet, busy, returns)
	if loaded.MostMemory > c.Ceiling || loaded.MostMemory < c.Ceiling/2 {
		t.Errorf("%d bytes were counted, and %d is the ceiling", loaded.MostMemory, c.Ceiling)
	}
	if c.Readers >= 1000 && !raceDetector() && grown > c.Ceiling*12/10 {
		t.Errorf("the process has grown by %d bytes, and %d is the ceiling", grown, c.Ceiling)
	}
}

// raceDetector reports whether the process is larger for it.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// memoryServer is a server in a process of its own, which does what lines on its standard
// input say.
type memoryServer struct {
	t       *testing.T
	address string

	mu  sync.Mutex // guards the rest
	in  io.Writer
	out *bufio.Scanner
}

const memoryServerEnv = "TIDEWIRE_TEST_MEMORY_SERVER"

func startMemoryServer(t *testing.T, c memoryCase) *memoryServer {
	t.Helper()
	told, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryServer$")
	command.Env = append(os.Environ(), memoryServerEnv+"="+string(told))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends by that
		_, _ = io.Copy(io.Discard, out)
		if err := command.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the server: %v", err)
		}
	})
	s := &memoryServer{t: t, in: in, out: bufio.NewScanner(out)}
	s.address = s.line()
	return s
}

func (s *memoryServer) line() string {
	if !s.out.Scan() {
		s.t.Fatalf("the server has gone: %v", s.out.Err())
	}
	return s.out.Text()
}

func (s *memoryServer) tell(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		s.t.Fatal(err)
	}
}

func (s *memoryServer) publish(topic string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := fmt.Fprintf(s.in, "publish %s %s\n", topic, data)
	return err
}

// ask gives the figures, after the server has done what it is told.
func (s *memoryServer) ask(what string) (f memoryFigures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.in, what); err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(s.line()), &f); err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *memoryServer) figures() memoryFigures { return s.ask("figures") }

// stalled connects readers that don't read, until stop is called.
func (s *memoryServer) stalled(c memoryCase) (stop func()) {
	over := make(chan struct{})
	var running sync.WaitGroup
	for i := range c.Readers {
		running.Go(func() {
			for !stallOnce(s.address, i, c.Readers, over) {
			}
		})
	}
	return func() {
		close(over)
		running.Wait()
	}
}

// stallOnce connects and reads nothing but the answer. What it sends now and then tells it
// when it was cut. True means that it is over.
func stallOnce(address string, i, topics int, over <-chan struct{}) bool {
	pause := func(d time.Duration) bool {
		select {
		case <-time.After(d): //clock:real readers come at a pace
			return false
		case <-over:
			return true
		}
	}
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return pause(100 * time.Millisecond)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	var query strings.Builder
	for k := range topicsOfReader {
		fmt.Fprintf(&query, "&topic=t%d", (i+k*7)%topics)
	}
	path := "/push/ws?" + query.String()[1:]
	if i%2 == 0 {
		path = "/push/sse?" + query.String()[1:]
	}
	request := "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"
	if i%2 == 1 {
		request = handshakeTo(path)
	}
	if !write(conn, []byte(request)) {
		return pause(100 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 12)); err != nil {
		return pause(100 * time.Millisecond)
	}
	for !pause(time.Second) {
		// An event stream's client has nothing to say: the server ignores some bytes.
		if probe := []byte{'\n'}; i%2 == 0 && !write(conn, probe) || i%2 == 1 && !write(conn, fin0) {
			return false
		}
	}
	return true
}

// fin0 is a pong that nobody has asked for.
var fin0 = frame(0x8A, nil)

// TestMemoryServer is the server of TestReadersThatDontRead.
func TestMemoryServer(t *testing.T) {
	told := os.Getenv(memoryServerEnv)
	if told == "" {
		t.Skip("a part of TestReadersThatDontRead")
	}
	var c memoryCase
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		t.Fatal(err)
	}
	hub := push.New(membroker.New(membroker.Options{History: broker.History{Messages: 4}}), push.Options{
		Authorize: push.Anyone,
		Limits:    push.Limits{Memory: c.Ceiling},
		Logger:    slog.New(slog.DiscardHandler),
	})
	mux := http.NewServeMux()
	mux.Handle("/push/", http.StripPrefix("/push", transport.Routes(hub)))
	server := &http.Server{Handler: mux}
	harden(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	p := &loadedServer{t: t, hub: hub, told: c, stop: make(chan struct{})}
	p.publishAll(4 * c.Readers) // as much history as there is going to be
	fmt.Println(listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		p.obey(lines.Text(), &running)
	}
	p.endLoad()
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	running.Wait()
}

// loadedServer is the server's side of a test.
type loadedServer struct {
	t    *testing.T
	hub  *push.Hub
	told memoryCase

	next                int // topic
	stop                chan struct{}
	mostMemory, mostRSS atomic.Int64
}

var readersMessage = bytes.Repeat([]byte("x"), messageSize)

// publishAll publishes to the readers' topics in turn.
func (p *loadedServer) publishAll(n int) {
	for range n {
		p.next = (p.next + 1) % p.told.Readers
		if _, err := p.hub.Publish(p.t.Context(), push.Message{Topic: "t" + strconv.Itoa(p.next), Data: readersMessage}); err != nil {
			p.t.Error(err)
		}
	}
}

func (p *loadedServer) obey(line string, running *sync.WaitGroup) {
	switch line {
	case "load":
		running.Go(p.load)
		running.Go(p.watch)
	case "end of load":
		p.endLoad()
	case "idle":
		debug.FreeOSMemory()
		debug.SetMemoryLimit(rss(p.t) + p.told.Ceiling)
		p.say()
	case "figures":
		p.say()
	default:
		_, rest, _ := strings.Cut(line, " ")
		topic, data, _ := strings.Cut(rest, " ")
		if _, err := p.hub.Publish(p.t.Context(), push.Message{Topic: topic, Data: []byte(data)}); err != nil {
			p.t.Error(err)
		}
	}
}

func (p *loadedServer) load() {
	const step = 5 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.publishAll(p.told.Rate * int(step) / int(time.Second))
		case <-p.stop:
			return
		}
	}
}

func (p *loadedServer) endLoad() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
}

// watch looks how large it gets.
func (p *loadedServer) watch() {
	for i := 0; ; i++ {
		select {
		case <-time.After(time.Millisecond): //clock:real it looks now and then
		case <-p.stop:
			return
		}
		p.mostMemory.Store(max(p.mostMemory.Load(), p.hub.Stats().Memory))
		if i%50 == 0 {
			p.mostRSS.Store(max(p.mostRSS.Load(), rss(p.t)))
		}
	}
}

func (p *loadedServer) say() {
	stats := p.hub.Stats()
	if err := json.NewEncoder(os.Stdout).Encode(memoryFigures{
		Memory: stats.Memory, MostMemory: p.mostMemory.Load(), RSS: rss(p.t), MostRSS: p.mostRSS.Load(),
		Shed: stats.Shed, Sessions: stats.Sessions,
	}); err != nil {
		p.t.Error(err)
	}
}

// rss is the process' resident memory.
func rss(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
