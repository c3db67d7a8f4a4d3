//go:build unix

package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Server is one Redis process, or the port and folder of one that was stopped.
type Server struct {
	port     int
	dir      string
	args     []string
	tls      *tls.Config // of clients; nil for a server without TLS
	sentinel string      // what a Sentinel's file says at first; else ""
	process  *process    // nil while it is stopped
}

// Start starts a redis-server on a free port, with further arguments as on its command line, and waits until it
// answers.
func Start(dir string, args ...string) (*Server, error) {
	return startOnFreePort(dir, Server{args: args})
}

// StartTLS starts a redis-server that speaks only TLS. The arguments name its certificate, key and authority
// (--tls-cert-file and so on); config is for its clients.
func StartTLS(dir string, config *tls.Config, args ...string) (*Server, error) {
	return startOnFreePort(dir, Server{args: args, tls: config})
}

const (
	// Ports lie below those that systems take for outgoing connections, so that a stopped server finds its own free
	// when it comes back; and so does a cluster's second port, which is 10,000 higher.
	firstPort = 10_000
	ports     = 12_000
	attempts  = 50
)

// nextPort goes through the ports from a random place, so that none is used twice soon.
var nextPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(ports))
	return &n
}()

var errPortTaken = errors.New("redistest: the port is taken")

func startOnFreePort(dir string, s Server) (*Server, error) {
	for range attempts {
		s.port = firstPort + int(nextPort.Add(1)%ports)
		s.dir = filepath.Join(dir, strconv.Itoa(s.port))
		if err := s.start(); errors.Is(err, errPortTaken) {
			continue
		} else if err != nil {
			return nil, err
		}
		return &s, nil
	}
	return nil, fmt.Errorf("%w: %d of them", errPortTaken, attempts)
}

// Addr is where it listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Options are those of a client of this server. The caller owns the client.
func (s *Server) Options() *redis.Options {
	return &redis.Options{Addr: s.Addr(), TLSConfig: s.tls.Clone()}
}

// Running tells whether the process is there; a frozen one is.
func (s *Server) Running() bool { return s.process != nil && s.process.running() }

// Stop ends the process with a signal and waits for it. Stopping again does nothing.
func (s *Server) Stop(signal os.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.stop(signal); err != nil {
		return err
	}
	s.process = nil
	return nil
}

// Restart starts a stopped server again on its port and in its folder, with the arguments it had and then these, of
// which Redis takes the last. It waits until the server has loaded its data and answers.
func (s *Server) Restart(args ...string) error {
	if s.process != nil {
		return errors.New("redistest: restart of a server that wasn't stopped")
	}
	s.args = slices.Concat(s.args, args)
	return s.start()
}

// Freeze stops the process as it is: its connections stay, and nothing answers.
func (s *Server) Freeze() error {
	if s.process == nil {
		return errNotRunning
	}
	return s.process.freeze()
}

// Thaw lets a frozen process go on.
func (s *Server) Thaw() error {
	if s.process == nil {
		return errNotRunning
	}
	return s.process.thaw()
}

var errNotRunning = errors.New("redistest: the server is stopped")

// Close kills the process if it still runs, and waits for it.
func (s *Server) Close() error { return s.Stop(os.Kill) }

func (s *Server) start() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	args, err := s.commandLine()
	if err != nil {
		return err
	}
	logged := s.logSize()
	p, err := run(s.log(), "redis-server", args...)
	if err != nil {
		return err
	}
	err = until("an answer", func() bool { return !p.running() || s.answers(p) })
	if err == nil && p.running() {
		s.process = p
		return nil
	}
	log := s.logSince(logged)
	if err := p.stop(os.Kill); err != nil {
		return err
	}
	if strings.Contains(log, "Address already in use") {
		return fmt.Errorf("%w: %d", errPortTaken, s.port)
	}
	return fmt.Errorf("redistest: redis-server on port %d doesn't answer; its log ends: %s", s.port, log[max(0, len(log)-2000):])
}

// answers tells whether this process, and not another one on its port, takes commands.
func (s *Server) answers(p *process) bool {
	ctx := context.Background()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return false // known sooner than from the client, which waits between its attempts
	}
	connection.Close()
	client := s.client()
	defer client.Close()
	return client.Ping(ctx).Err() == nil && s.info("server", "process_id") == strconv.Itoa(p.command.Process.Pid)
}

// commandLine also writes the file that a Sentinel must have.
func (s *Server) commandLine() ([]string, error) {
	port := strconv.Itoa(s.port)
	args := []string{"--bind", "127.0.0.1", "--dir", s.dir}
	if s.sentinel != "" {
		file := filepath.Join(s.dir, "sentinel.conf")
		if _, err := os.Stat(file); os.IsNotExist(err) { // else it is what the Sentinel remembers
			if err := os.WriteFile(file, []byte(s.sentinel), 0o600); err != nil {
				return nil, err
			}
		}
		return slices.Concat([]string{file, "--sentinel", "--port", port}, args, s.args), nil
	}
	if s.tls != nil {
		args = append(args, "--port", "0", "--tls-port", port)
	} else {
		args = append(args, "--port", port)
	}
	// A replica that comes is served at once, where the default waits five seconds for others; and it counts as there as
	// soon as it has got its first ping, which the default sends every ten seconds.
	args = append(args, "--save", "", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
		"--enable-debug-command", "yes")
	return append(args, s.args...), nil
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

func (s *Server) logSize() int64 {
	info, err := os.Stat(s.log())
	if err != nil {
		return 0 // the first start
	}
	return info.Size()
}

func (s *Server) logSince(offset int64) string {
	log, _ := os.ReadFile(s.log()) // without it there is nothing to quote
	return string(log[min(offset, int64(len(log))):])
}

// client is one for this package's own commands, which gives up at once.
func (s *Server) client() *redis.Client {
	o := s.Options()
	o.MaxRetries, o.DialerRetries, o.PoolSize = -1, 1, 1
	o.DisableIdentity = true
	return redis.NewClient(o)
}

// do runs one command.
func (s *Server) do(args ...any) error {
	client := s.client()
	defer client.Close()
	if err := client.Do(context.Background(), args...).Err(); err != nil {
		return fmt.Errorf("redistest: %v at %s: %w", args[:min(2, len(args))], s.Addr(), err)
	}
	return nil
}

// info gives one field of the INFO command, or "" if there is none.
func (s *Server) info(section, name string) string {
	client := s.client()
	defer client.Close()
	info, err := client.Info(context.Background(), section).Result()
	if err != nil {
		return ""
	}
	return field(info, name)
}

func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
