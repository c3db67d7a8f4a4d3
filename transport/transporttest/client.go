package transporttest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Frame is a frame as a client sees it.
type Frame struct {
	Type     string          `json:"type"`
	Topic    string          `json:"topic"`
	ID       json.RawMessage `json:"id"`
	Event    string          `json:"event"`
	Key      string          `json:"key"`
	Encoding string          `json:"encoding"`
	Data     Data            `json:"data"`
	At       string          `json:"at"`
	Cursor   string          `json:"cursor"`
	Time     int64           `json:"time"`
	Reason   string          `json:"reason"`
	Code     string          `json:"code"`
	After    int             `json:"after"`
	Session  string          `json:"session"`
	Expires  *int64          `json:"expires"`
	Topics   []TopicState    `json:"topics"`
	Last     *Place          `json:"last"`
	Now      *Place          `json:"now"`
	Epoch    string          `json:"epoch"`
	Changes  []Change        `json:"changes"`

	// EventName and EventID are what an event stream adds.
	EventName string `json:"-"`
	EventID   string `json:"-"`
}

// Data is the data of a frame: a string's text, or any other JSON as it is.
type Data string

// UnmarshalJSON reads data.
func (d *Data) UnmarshalJSON(text []byte) error {
	if text[0] != '"' {
		*d = Data(text)
		return nil
	}
	return json.Unmarshal(text, (*string)(d))
}

// TopicState is the answer for one topic.
type TopicState struct {
	Topic  string `json:"topic"`
	Kind   string `json:"kind"`
	Epoch  string `json:"epoch"`
	From   string `json:"from"`
	Cursor string `json:"cursor"`
	Error  *struct {
		Code  string `json:"code"`
		Retry string `json:"retry"`
		After int64  `json:"after"`
	} `json:"error"`
}

// Place is a position without its tag.
type Place struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// Payload gives the data of a message as it was published.
func (f Frame) Payload() ([]byte, error) {
	if f.Encoding == "base64" {
		return base64.StdEncoding.DecodeString(string(f.Data))
	}
	return []byte(f.Data), nil
}

// Client is a plain client of one connection, made by NewClient. It has no goroutine: a
// client that doesn't call Next doesn't read.
type Client struct {
	// Cursor is where the client is in all its topics, by the frames that Next
	// has returned.
	Cursor string
	// Send sends a frame of the client. Nil: its connection only receives.
	Send func(frame []byte) error

	next    func() (Frame, error)
	close   func()
	topics  []string
	cursors map[string]string
}

// StatusError is a refusal by an HTTP status.
type StatusError struct {
	Status int
	Body   string
	Header http.Header
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// topics returns what the body says of each topic; nil if it doesn't.
func (e *StatusError) topics() []TopicState {
	var body struct{ Topics []TopicState }
	_ = json.Unmarshal([]byte(e.Body), &body) // then there are none
	return body.Topics
}

// says reports whether the body tells of an error with this code.
func (e *StatusError) says(code push.Code) bool {
	var body struct{ Code push.Code }
	return json.Unmarshal([]byte(e.Body), &body) == nil && body.Code == code
}

// NewClient returns a client of a connection. Next waits for the next frame; drop drops the
// connection, and makes a call of next that is under way return.
func NewClient(next func() (Frame, error), drop func()) *Client {
	return &Client{next: next, close: drop, cursors: map[string]string{}}
}

// Dial connects a client to a transport that is served at address: by NewClient, or with a
// *StatusError if the transport refuses by an HTTP status.
type Dial func(ctx context.Context, address string, topics []string, since string) (*Client, error)

// Next waits for the next frame; heartbeats are passed over.
func (c *Client) Next() (Frame, error) {
	for {
		f, err := c.next()
		if err != nil {
			return f, err
		}
		if err := c.note(f); err != nil {
			return f, err
		}
		if f.Type != protocol.TypePing {
			return f, nil
		}
	}
}

// Close drops the connection, without a word.
func (c *Client) Close() { c.close() }

// note moves the cursor as a client of ours would. On an event stream, which
// brings it whole, it must be the same.
func (c *Client) note(f Frame) error {
	switch f.Type {
	case protocol.TypeWelcome, protocol.TypeSubscribed:
		for _, t := range f.Topics {
			if t.Error == nil {
				c.topics = append(c.topics, t.Topic)
				c.cursors[t.Topic] = t.Cursor
			}
		}
	case protocol.TypeGap, protocol.TypeSynced:
		c.cursors[f.Topic] = f.Cursor
	case protocol.TypeReset:
		delete(c.cursors, f.Topic)
	case protocol.TypeMessage, protocol.TypeState:
		if f.At == "" {
			break
		}
		if c.cursors[f.Topic] == "" {
			return fmt.Errorf("a frame at %q of topic %q, whose cursor isn't known", f.At, f.Topic)
		}
		c.cursors[f.Topic] = c.cursors[f.Topic][:cursor.Constant] + f.At
	}
	var known []string
	for _, topic := range c.topics {
		if cursor := c.cursors[topic]; cursor != "" {
			known = append(known, cursor)
		}
	}
	c.Cursor = cursor.Join(known)
	return nil
}

// Position is where the client is in a topic.
func (c *Client) Position(topic string) broker.Position {
	at, _ := cursor.Parse(c.cursors[topic])
	position, _ := at.Position(topic)
	return position
}

// query adds topics and a cursor to an address, which may have a query of its own.
func query(address string, topics []string, since string) string {
	q := url.Values{"topic": topics}
	if since != "" {
		q.Set("since", since)
	}
	if strings.Contains(address, "?") {
		return address + "&" + q.Encode()
	}
	return address + "?" + q.Encode()
}

// DialSSE opens an event stream.
func DialSSE(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return SSEOver(new(http.Transport))(ctx, address, topics, since)
}

// SSEOver opens event streams over connections like those of a transport.
func SSEOver(like *http.Transport) Dial {
	return func(ctx context.Context, address string, topics []string, since string) (*Client, error) {
		return dialSSE(ctx, like.Clone(), query(address, topics, since), "")
	}
}

// DialLastEventID opens an event stream as an EventSource does that comes back.
func DialLastEventID(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return dialSSE(ctx, new(http.Transport), query(address, topics, ""), since)
}

func dialSSE(ctx context.Context, transport *http.Transport, address, lastEventID string) (*Client, error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if lastEventID != "" {
		header.Set("Last-Event-ID", lastEventID)
	}
	body, stop, err := get(ctx, transport, address, header)
	if err != nil {
		return nil, err
	}
	events := eventReader{lines: bufio.NewReader(body)}
	return NewClient(events.next, stop), nil
}

// Get requests topics from a transport whose frames come in the body of a response. The
// topics and the cursor are in the URL, as protocol.Follows reads them. Stop drops the
// connection. With another status than 200 the error is a *StatusError.
func Get(ctx context.Context, address string, topics []string, since string) (body io.Reader, stop func(), err error) {
	return get(ctx, new(http.Transport), query(address, topics, since), http.Header{})
}

func get(ctx context.Context, transport *http.Transport, address string, header http.Header) (io.Reader, func(), error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header = header
	return request(transport, r)
}

// request makes a request over a transport that nobody else uses.
func request(transport *http.Transport, r *http.Request) (io.Reader, func(), error) {
	response, err := transport.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	stop := func() {
		response.Body.Close()
		transport.CloseIdleConnections()
	}
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body) // as much as there is
		stop()
		return nil, nil, &StatusError{response.StatusCode, string(body), response.Header}
	}
	return response.Body, stop, nil
}

// DialWebSocket opens a WebSocket that only receives.
func DialWebSocket(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return WebSocketOver(new(http.Transport))(ctx, address, topics, since)
}

// WebSocketOver opens WebSockets that only receive, over connections like those of a
// transport.
func WebSocketOver(like *http.Transport) Dial {
	return func(ctx context.Context, address string, topics []string, since string) (*Client, error) {
		return dialWebSocket(ctx, like.Clone(), query(address, topics, since), "")
	}
}

// DialSubprotocol opens a WebSocket that speaks the protocol, and answers pings.
func DialSubprotocol(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return SubprotocolOver(new(http.Transport))(ctx, address, topics, since)
}

// SubprotocolOver opens WebSockets that speak the protocol, over connections like those of a
// transport.
func SubprotocolOver(like *http.Transport) Dial {
	return func(ctx context.Context, address string, topics []string, since string) (*Client, error) {
		return dialWebSocket(ctx, like.Clone(), query(address, topics, since), protocol.Subprotocol)
	}
}

func dialWebSocket(ctx context.Context, transport *http.Transport, address, subprotocol string) (*Client, error) {
	options := &websocket.DialOptions{}
	if subprotocol != "" {
		options.Subprotocols = []string{subprotocol}
	}
	options.HTTPClient = &http.Client{Transport: transport}
	conn, response, err := websocket.Dial(ctx, address, options)
	if err != nil {
		transport.CloseIdleConnections()
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(response.Body) // as much as there is
			return nil, &StatusError{response.StatusCode, string(body), response.Header}
		}
		return nil, err
	}
	conn.SetReadLimit(-1)
	next := func() (Frame, error) {
		var f Frame
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return f, err
		}
		if kind != websocket.MessageText {
			return f, fmt.Errorf("a frame of kind %v", kind)
		}
		if err := json.Unmarshal(data, &f); err != nil {
			return f, err
		}
		if f.Type == protocol.TypePing {
			err = conn.Write(ctx, websocket.MessageText, protocol.Pong())
		}
		return f, err
	}
	c := NewClient(next, func() { conn.CloseNow() })
	if subprotocol != "" {
		c.Send = func(frame []byte) error { return conn.Write(ctx, websocket.MessageText, frame) }
	}
	return c, nil
}
