package faults_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/broker/faults/mirror"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// way is a transport.
type way string

const (
	webSocket   way = "ws"
	eventStream way = "sse"
	polling     way = "poll"
)

var ways = []way{webSocket, eventStream, polling}

// reader is a simple client of one state topic, which comes back with its cursor whenever its connection ends.
type reader struct {
	*mirror.Map
	t     *testing.T
	topic string
	http  *http.Client

	mu     sync.Mutex // guards the rest
	leave  func()     // ends the connection, and waits for that
	broken int        // connections that have ended without being told to
	err    error      // why the last one has
}

func newReader(t *testing.T, topic string) *reader {
	t.Helper()
	r := &reader{Map: mirror.New(topic), t: t, topic: topic, http: &http.Client{Transport: &http.Transport{}}, leave: func() {}}
	t.Cleanup(func() {
		r.stop()
		for _, wrong := range r.Wrong() {
			t.Errorf("%s: %s", topic, wrong)
		}
	})
	return r
}

// read makes a reader that follows a topic by a transport.
func read(t *testing.T, topic string, w way, address string) *reader {
	t.Helper()
	r := newReader(t, topic)
	r.to(w, address)
	return r
}

// to continues by a transport, on an instance.
func (r *reader) to(w way, address string) {
	r.stop()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { r.run(ctx, w, address) })
	r.leave = func() {
		cancel()
		work.Wait()
		r.http.CloseIdleConnections()
	}
}

// stop ends the connection.
func (r *reader) stop() {
	r.leave()
	r.leave = func() {}
}

func (r *reader) run(ctx context.Context, w way, address string) {
	for ctx.Err() == nil {
		err := r.follow(ctx, w, address)
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		if err != nil {
			r.broken, r.err = r.broken+1, err
		}
		r.mu.Unlock()
		if err == nil {
			continue // another poll
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): //clock:real a client comes back after a while
		}
	}
}

// ended returns how many connections have ended without being told to, and why the last one has.
func (r *reader) ended() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken, r.err
}

// follow is one connection.
func (r *reader) follow(ctx context.Context, w way, address string) error {
	query := url.Values{"state": {r.topic}}
	if since := r.Cursor(); since != "" {
		query.Set("since", since)
	}
	address += "/" + string(w) + "?" + query.Encode()
	switch w {
	case webSocket:
		return r.followSocket(ctx, address)
	case eventStream:
		return r.followStream(ctx, address)
	default:
		return r.poll(ctx, address)
	}
}

func (r *reader) followSocket(ctx context.Context, address string) error {
	conn, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		Subprotocols: []string{protocol.Subprotocol}, HTTPClient: r.http,
	})
	if response != nil && response.Body != nil {
		defer response.Body.Close() // of a refusal; else it does nothing
	}
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(8 << 20)
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		f, err := r.take(text)
		if err != nil {
			return err
		}
		if f.Type == protocol.TypePing {
			if err := conn.Write(ctx, websocket.MessageText, protocol.Pong()); err != nil {
				return err
			}
		}
	}
}

// take takes a frame.
func (r *reader) take(text []byte) (protocol.Frame, error) {
	f, err := protocol.ParseFrame(text)
	if err != nil {
		return f, err
	}
	switch f.Type {
	case protocol.TypeWelcome:
		for _, a := range f.Answers {
			if a.Failure != nil {
				return f, a.Failure.Error()
			}
			r.Begin(a)
		}
	case protocol.TypeState, protocol.TypeSynced, protocol.TypeReset:
		r.Take(&f)
	case protocol.TypeError:
		return f, f.Failure.Error()
	case protocol.TypeReconnect, protocol.TypePing:
	default:
		r.t.Errorf("%s: %s", r.topic, text)
	}
	return f, nil
}

func (r *reader) get(ctx context.Context, address string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := r.http.Do(request)
	if err == nil && response.StatusCode != http.StatusOK {
		response.Body.Close()
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return response, err
}

func (r *reader) followStream(ctx context.Context, address string) error {
	response, err := r.get(ctx, address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	var data, id string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "id":
			id = value
		case field == "data":
			data = value // always one line
		case field == "" && data != "":
			f, err := r.take([]byte(data))
			if err != nil {
				return err
			}
			if id != "" && f.Type != protocol.TypeWelcome && id != cmp.Or(r.Cursor(), cursor.Empty) {
				r.t.Errorf("%s: the id of a %s is %q, and the cursor is %q", r.topic, f.Type, id, r.Cursor())
			}
			data, id = "", ""
		}
	}
}

func (r *reader) poll(ctx context.Context, address string) error {
	response, err := r.get(ctx, address+"&wait=5")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Topics json.RawMessage
		Frames []json.RawMessage
		Cursor string
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	frames := append([]json.RawMessage{fmt.Appendf(nil, `{"type":"welcome","topics":%s}`, answer.Topics)}, answer.Frames...)
	for _, frame := range frames {
		if _, err := r.take(frame); err != nil {
			return err
		}
	}
	if answer.Cursor != r.Cursor() {
		r.t.Errorf("%s: an answer ends at %q, and its frames at %q", r.topic, answer.Cursor, r.Cursor())
	}
	return nil
}

// slowly makes the reader one that reads so many bytes a second, over sockets that hold little.
func (r *reader) slowly(rate int) *reader {
	r.http.Transport = &http.Transport{DialContext: slowDial(rate)}
	return r
}

// slowDial makes connections that are read slowly.
func slowDial(rate int) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &slowConn{conn, rate}, conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	}
}

// detour leads the connections of a client to where it is told to.
type detour struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex // guards the rest
	to    string
	conns []net.Conn
}

func (d *detour) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		conn, err := d.dial(ctx, network, d.to)
		if err == nil {
			d.conns = append(d.conns, conn)
		}
		return conn, err
	}}}
}

// lead cuts all connections, and leads those that follow to another address.
func (d *detour) lead(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
	for _, conn := range d.conns {
		conn.Close()
	}
	d.conns = nil
}

// slowConn is read slowly.
type slowConn struct {
	net.Conn
	rate int
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 2<<10)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(c.rate)) //clock:real a slow network
	return n, err
}
