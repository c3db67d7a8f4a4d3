package pushtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// maxFrame is more than any frame of a test has.
const maxFrame = 64 << 20

// socket is a WebSocket.
type socket struct {
	ctx  context.Context
	conn *websocket.Conn
}

func (c *Client) openSocket(ctx context.Context) (link, error) {
	address := strings.Replace(c.address("ws"), "http", "ws", 1)
	conn, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		Header: c.header(), Subprotocols: []string{protocol.Subprotocol}, MaxMessage: maxFrame, DialContext: c.dial,
	})
	if answer, ok := errors.AsType[*websocket.ResponseError](err); ok {
		return nil, status(answer.Response)
	}
	if err != nil {
		return nil, err
	}
	return &socket{ctx, conn}, nil
}

func (s *socket) read() ([]byte, error) {
	_, text, err := s.conn.Read(s.ctx)
	return text, err
}

func (s *socket) write(frame []byte) error { return s.conn.Write(s.ctx, websocket.Text, frame) }
func (s *socket) close()                   { _ = s.conn.CloseNow() }

// status is an answer that refuses. One that isn't of this protocol is final, since it is the
// application's.
func status(response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // a part says enough
	if f, err := protocol.ParseHTTPError(body); err == nil {
		return refused(f)
	}
	return &refusal{final: true, status: response.Status, err: fmt.Errorf("%s %s: %s, which isn't Tidewire's answer: %s",
		response.Request.Method, response.Request.URL.Path, response.Status, strings.TrimSpace(string(body)))}
}

// stream is an event stream.
type stream struct {
	cancel context.CancelFunc
	body   io.Closer
	lines  *bufio.Reader
}

func (c *Client) openStream(ctx context.Context) (link, error) {
	ctx, cancel := context.WithCancel(ctx)
	response, err := c.get(ctx, "sse", c.query()) //nolint:bodyclose // close does
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{cancel, response.Body, bufio.NewReader(response.Body)}, nil
}

// query asks for all topics. They count as asked for from then on.
func (c *Client) query() url.Values {
	query := url.Values{}
	var cursors []string
	c.board.update(func() {
		for _, f := range c.topics {
			f.asked = true
			r := f.request()
			if r.State {
				query.Add("state", r.Topic)
			} else {
				query.Add("topic", r.Topic)
			}
			if r.Recent > 0 {
				query.Set("recent", strconv.Itoa(r.Recent))
			}
			if r.Since != "" {
				cursors = append(cursors, r.Since)
			}
		}
	})
	if len(cursors) > 0 {
		query.Set("since", strings.Join(cursors, cursor.Separator))
	}
	return query
}

// get makes a request; another answer than 200 is an error.
func (c *Client) get(ctx context.Context, route string, query url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address(route)+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = c.header()
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, status(response)
	}
	return response, nil
}

func (s *stream) read() ([]byte, error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return []byte(data), nil // a frame is one line
		}
	}
}

func (s *stream) write([]byte) error { return nil } // it has pings that nobody answers

func (s *stream) close() {
	s.cancel()
	_ = s.body.Close()
}

// polling is a connection made of polls.
type polling struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	begun  bool
	frames []json.RawMessage
}

func (c *Client) openPoll(ctx context.Context) link {
	ctx, cancel := context.WithCancel(ctx)
	return &polling{client: c, ctx: ctx, cancel: cancel}
}

// pollWait is how long a poll waits, in seconds. It is short, since a topic that is refused
// beside others is told only then.
const pollWait = "2"

// read returns the next frame. What the first answer says of the topics is a welcome, and
// what another does is an answer to a subscribe.
func (p *polling) read() ([]byte, error) {
	for len(p.frames) == 0 {
		query := p.client.query()
		wait, begins := pollWait, protocol.TypeSubscribed
		if !p.begun {
			wait, begins = "0", protocol.TypeWelcome
		}
		query.Set("wait", wait)
		answer, err := p.client.poll(p.ctx, query)
		if err != nil {
			return nil, err
		}
		p.begun = true
		p.frames = append([]json.RawMessage{fmt.Appendf(nil, `{"type":%q,"topics":%s}`, begins, answer.Topics)}, answer.Frames...)
	}
	frame := p.frames[0]
	p.frames = p.frames[1:]
	return frame, nil
}

func (p *polling) write([]byte) error { return nil } // nobody pings
func (p *polling) close()             { p.cancel() }

// pollAnswer is the answer to a poll.
type pollAnswer struct {
	Topics json.RawMessage
	Frames []json.RawMessage
	Cursor string
}

func (c *Client) poll(ctx context.Context, query url.Values) (answer pollAnswer, err error) {
	response, err := c.get(ctx, "poll", query)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer, err
}

// pollHeads asks how far topics are.
func (c *Client) pollHeads(topics []*followed) (map[string]broker.Position, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	query := url.Values{"wait": {"0"}}
	for _, f := range topics {
		if f.state != nil {
			query.Add("state", f.topic)
		} else {
			query.Add("topic", f.topic)
		}
	}
	answer, err := c.poll(c.ctx, query)
	if err != nil {
		return nil, err
	}
	at, err := cursor.Parse(answer.Cursor)
	if err != nil {
		return nil, err
	}
	heads := map[string]broker.Position{}
	for _, f := range topics {
		if position, ok := at.Position(f.topic); ok {
			heads[f.topic] = position
		}
	}
	return heads, nil
}
