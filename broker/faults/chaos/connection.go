package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// frame is what a client needs of a frame.
type frame struct {
	Type      string        `json:"type"`
	Topic     string        `json:"topic"`
	Data      string        `json:"data"`
	Cursor    string        `json:"cursor"`
	At        string        `json:"at"`
	Reason    string        `json:"reason"`
	Code      string        `json:"code"`
	After     int64         `json:"after"`
	Heartbeat int64         `json:"heartbeat"`
	Session   string        `json:"session"`
	Topics    []topicAnswer `json:"topics"`
	Last      *place        `json:"last"`
	Now       *place        `json:"now"`

	text    []byte // all of it
	eventID string // of an event stream: where the client is in all topics
}

// cursorAfter is a client's cursor after a frame: a message has the part of it that moves.
func (f *frame) cursorAfter(before string) string {
	if f.Type != protocol.TypeMessage || len(before) < cursor.Constant || f.At == "" {
		return f.Cursor
	}
	return before[:cursor.Constant] + f.At
}

// topicAnswer is the answer for one topic.
type topicAnswer struct {
	Topic  string `json:"topic"`
	From   string `json:"from"`
	Cursor string `json:"cursor"`
	Error  *struct {
		Code  string `json:"code"`
		Retry string `json:"retry"`
	} `json:"error"`
}

// connection is one connection of a client, which ends it by itself when it hears nothing for too long.
type connection struct {
	next    func() (frame, error)
	close   func()
	silence *atomic.Int64
}

// way is a way to follow topics.
type way struct {
	name string
	path string
	dial func(ctx context.Context, address, user string, topics []string, cursor string) (*connection, error)
}

var (
	webSockets = []way{
		{"WebSocket with subprotocol", "ws", func(ctx context.Context, address, user string, topics []string, cursor string) (*connection, error) {
			return dialWebSocket(ctx, address+query(topics, cursor), user, protocol.Subprotocol)
		}},
		{"plain WebSocket", "ws", func(ctx context.Context, address, user string, topics []string, cursor string) (*connection, error) {
			return dialWebSocket(ctx, address+query(topics, cursor), user)
		}},
	}
	eventStreams = []way{
		{"event stream by since", "sse", func(ctx context.Context, address, user string, topics []string, cursor string) (*connection, error) {
			return dialEventStream(ctx, address+query(topics, cursor), user, "")
		}},
		{"event stream by Last-Event-ID", "sse", func(ctx context.Context, address, user string, topics []string, cursor string) (*connection, error) {
			return dialEventStream(ctx, address+query(topics, ""), user, cursor)
		}},
	}
)

func query(topics []string, cursor string) string {
	q := url.Values{}
	for _, topic := range topics {
		if strings.HasPrefix(topic, statePrefix) {
			q.Add("state", topic)
		} else {
			q.Add("topic", topic)
		}
	}
	if cursor != "" {
		q.Set("since", cursor)
	}
	return "?" + q.Encode()
}

const (
	// firstSilence is how long a client waits for anything before it knows the server's heartbeat.
	firstSilence = 10 * time.Second
	// slack is how much later than it should a heartbeat may come.
	slack = 2 * time.Second
	// maxFrame is the largest frame that a client takes.
	maxFrame = 1 << 20
)

// listening is a network connection that fails when nothing is heard for too long.
type listening struct {
	net.Conn
	silence *atomic.Int64
}

func (c listening) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(time.Duration(c.silence.Load()))); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// transport is for one connection.
func (c *connection) transport() *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return listening{conn, c.silence}, nil
		},
	}
}

func newConnection() *connection {
	c := &connection{silence: &atomic.Int64{}}
	c.silence.Store(int64(firstSilence))
	return c
}

// expect notes how often the server promises to be heard.
func (c *connection) expect(heartbeat time.Duration) { c.silence.Store(int64(heartbeat + slack)) }

func dialWebSocket(ctx context.Context, address, user string, subprotocols ...string) (*connection, error) {
	c := newConnection()
	conn, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		Subprotocols: subprotocols,
		HTTPClient:   &http.Client{Transport: c.transport()},
		HTTPHeader:   http.Header{userHeader: {user}},
	})
	if response != nil && response.Body != nil {
		defer response.Body.Close() // of a refusal; else it does nothing
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxFrame)
	c.close = func() { _ = conn.CloseNow() }
	c.next = func() (frame, error) {
		var f frame
		_, data, err := conn.Read(ctx)
		if err != nil {
			return f, err
		}
		f.text = data
		if err := json.Unmarshal(data, &f); err != nil {
			return f, err
		}
		if f.Type == protocol.TypePing {
			return f, conn.Write(ctx, websocket.MessageText, protocol.Pong())
		}
		return f, nil
	}
	return c, nil
}

func dialEventStream(ctx context.Context, address, user, lastEventID string) (*connection, error) {
	c := newConnection()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set(userHeader, user)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := c.transport().RoundTrip(r) //nolint:bodyclose // close does it
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	c.close = func() { response.Body.Close() }
	events := events{lines: bufio.NewReader(response.Body)}
	c.next = events.next
	return c, nil
}

// events reads an event stream as far as this server writes it.
type events struct {
	lines *bufio.Reader
	id    string
}

func (e *events) next() (frame, error) {
	var data string
	for {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			return frame{}, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			e.id = value
		case "data":
			data = value // always one line
		case "":
			if data == "" {
				continue // after a heartbeat
			}
			f := frame{eventID: e.id, text: []byte(data)}
			return f, json.Unmarshal([]byte(data), &f)
		}
	}
}
