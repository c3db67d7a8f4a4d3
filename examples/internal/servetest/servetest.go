// Package servetest starts examples in tests and follows topics as any HTTP
// client can.
package servetest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

const patience = 30 * time.Second

// Server is a running example.
type Server struct {
	URL    string
	Ops    string // where operators look; empty if nowhere
	Client *http.Client
	// Stop ends the server as a signal would, and returns its result.
	Stop func() error
}

// Start runs an example on a free port. At its end the test stops it, if it
// hasn't yet, and wants no error.
func Start(t *testing.T, run func(context.Context, []string, io.Writer) error, args ...string) *Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reader, stdout := io.Pipe()
	var result error
	done := make(chan struct{})
	go func() {
		defer close(done)
		result = run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), stdout)
		stdout.CloseWithError(io.EOF)
	}()
	s := newServer(t)
	s.Stop = func() error {
		cancel()
		<-done
		return result
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatalf("the server didn't start: %v", s.Stop())
	}
	s.read(line)
	return s
}

// read reads the line that a server prints.
func (s *Server) read(line string) {
	_, urls, _ := strings.Cut(strings.TrimSpace(line), " listens on ")
	s.URL, s.Ops, _ = strings.Cut(urls, ", and for operators on ")
}

// newServer returns one that is stopped at the end of the test.
func newServer(t *testing.T) *Server {
	transport := &http.Transport{}
	s := &Server{Client: &http.Client{Transport: transport}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Stop(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

// Do makes a request and returns the status and the body.
func (s *Server) Do(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	response := s.open(t, method, path, body, headers...)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func (s *Server) open(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// Frame is what the server says in an event.
type Frame struct {
	Type string
	ID   string
	Data json.RawMessage
	Time int64
}

// Stream is an event stream.
type Stream struct {
	lines *bufio.Scanner
	body  io.Closer
}

// Follow follows one topic from a cursor, which may be empty, or with its last messages, and
// waits for the welcome.
func (s *Server) Follow(t *testing.T, topic, since string, recent ...int) *Stream {
	t.Helper()
	query := url.Values{"topic": {topic}}
	if since != "" {
		query.Set("since", since)
	}
	for _, n := range recent {
		query.Set("recent", strconv.Itoa(n))
	}
	response := s.open(t, http.MethodGet, "/push/sse?"+query.Encode(), "")
	if response.StatusCode != http.StatusOK {
		t.Fatalf("follow: %s", response.Status)
	}
	stream := &Stream{bufio.NewScanner(response.Body), response.Body}
	t.Cleanup(func() { stream.Close() })
	if frame, ok := stream.Next(t); !ok || frame.Type != "welcome" {
		t.Fatalf("the first frame is %+v", frame)
	}
	return stream
}

// Next waits for the next frame; false is the end of the stream.
func (s *Stream) Next(t *testing.T) (frame Frame, ok bool) {
	t.Helper()
	for s.lines.Scan() {
		data, isData := strings.CutPrefix(s.lines.Text(), "data: ")
		if !isData {
			continue
		}
		if err := json.Unmarshal([]byte(data), &frame); err != nil {
			t.Fatal(err)
		}
		return frame, true
	}
	return Frame{}, false
}

// Close ends the stream from this side.
func (s *Stream) Close() { _ = s.body.Close() }
