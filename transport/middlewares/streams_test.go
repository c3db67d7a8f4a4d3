package middlewares

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/transport/websocket"
)

// outcome is what a client sees of a route.
type outcome string

const (
	works   outcome = "works"
	rotates outcome = "rotates"
	refused outcome = "refused" // with a line in the log
)

// answered is the outcome of a request that something above the routes has answered, or the
// hub refused.
func (a answer) outcome() outcome {
	switch {
	case a.isOurs():
		return refused
	default:
		return outcome(fmt.Sprintf("answers %d", a.status))
	}
}

// stream is an event stream that is open.
type stream struct {
	events chan string
	close  func() error
}

// follow opens an event stream. With an answer there is none.
func (s *setup) follow(version int, topic, lastID string) (*stream, answer) {
	s.Helper()
	path := "/sse?topic=" + topic
	if lastID != "" {
		path += "&since=" + url.QueryEscape(lastID)
	}
	response := s.open(version, http.MethodGet, path, "")
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		line, _ := bufio.NewReader(response.Body).ReadString('}') // it is all that is looked at
		return nil, answer{response.StatusCode, line}
	}
	f := &stream{make(chan string), response.Body.Close}
	go func() {
		defer close(f.events)
		lines := bufio.NewReader(response.Body)
		for event := ""; ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if event += line; line == "\n" {
				select {
				case f.events <- event:
				case <-s.requests.Done():
					return
				}
				event = ""
			}
		}
	}()
	return f, answer{}
}

// next returns the next event that isn't a heartbeat; empty at the end of the stream.
func (f *stream) next() string {
	for event := range f.events {
		if strings.Contains(event, "data:") {
			return event
		}
	}
	return ""
}

// drain reads a stream that nobody needs any more to its end.
func (f *stream) drain() {
	f.close()
	for range f.events {
	}
}

func idOf(event string) string {
	_, id, _ := strings.Cut(event, "id: ")
	id, _, _ = strings.Cut(id, "\n")
	return id
}

// sse follows a topic past the limit, and reports what becomes of the stream.
func (s *setup) sse(version int) outcome {
	topic := fmt.Sprintf("sse%d", version)
	f, refusal := s.follow(version, topic, "")
	if f == nil {
		return refusal.outcome()
	}
	defer f.drain()
	if welcome := f.next(); !strings.Contains(welcome, `"type":"welcome"`) {
		s.Errorf("sse: got %q instead of a welcome", welcome)
	}
	s.publish(topic, "first")
	event := f.next()
	if !strings.Contains(event, `"first"`) {
		s.Errorf("sse: got %q instead of the first message", event)
	}
	if s.limit == 0 {
		return works
	}
	last := s.pastLimit(f, topic)
	if strings.Contains(last, `"second"`) {
		return works
	}
	if !strings.Contains(last, `"type":"reconnect"`) {
		s.Errorf("sse: the stream ended with %q", last)
		return "cut"
	}
	f.drain()
	s.publish(topic, "second")
	s.publish(topic, "third")
	f, _ = s.follow(version, topic, idOf(event))
	if f == nil {
		s.Error("sse: the stream can't be resumed")
		return "cut"
	}
	defer f.drain()
	for _, want := range []string{`"from":"cursor"`, `"second"`, `"third"`} {
		if got := f.next(); !strings.Contains(got, want) {
			s.Errorf("sse: after the resume got %q, want %s", got, want)
		}
	}
	return rotates
}

// pastLimit returns the event that ends a stream before the limit, or the message that is
// published after it.
func (s *setup) pastLimit(f *stream, topic string) (event string) {
	passed, cancel := context.WithTimeout(s.requests, s.limit)
	defer cancel()
	came := make(chan string, 1)
	go func() { came <- f.next() }()
	select {
	case event = <-came:
		return event
	case <-passed.Done():
		s.publish(topic, "second")
		return <-came
	}
}

// ws follows a topic past the limit over a WebSocket.
func (s *setup) ws() outcome {
	header := http.Header{}
	if s.login {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")))
		header.Set("Origin", s.servers[1].URL)
	}
	address := "ws" + strings.TrimPrefix(s.servers[1].URL, "http") + s.prefix + "/push/ws?topic=ws"
	socket, _, err := websocket.Dial(s.requests, address, &websocket.DialOptions{Header: header})
	if refusal, ok := errors.AsType[*websocket.ResponseError](err); ok {
		body := make([]byte, 1000)
		n, _ := refusal.Response.Body.Read(body) // from memory
		return answer{refusal.Response.StatusCode, string(body[:n])}.outcome()
	}
	if err != nil {
		s.Errorf("ws: %v", err)
		return "cut"
	}
	defer socket.CloseNow()
	want := func(part string) bool {
		_, frame, err := socket.Read(s.requests)
		if err != nil || !strings.Contains(string(frame), part) {
			s.Errorf("ws: got %q, %v, want %s", frame, err, part)
			return false
		}
		return true
	}
	if !want(`"type":"welcome"`) {
		return "cut"
	}
	s.publish("ws", "first")
	if !want(`"first"`) {
		return "cut"
	}
	if s.limit > 0 {
		s.pass()
		s.publish("ws", "second")
		if !want(`"second"`) {
			return "cut"
		}
	}
	return works
}
