//clock:virtual

package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// simClient is a plain client that follows its topics for as long as the world
// lasts: it comes back with its cursor whenever its connection is gone, and takes a
// connection for dead on which it hears nothing.
type simClient struct {
	// static
	world      *world
	name       string
	topics     []string // logs
	recent     int      // how many of the last messages it asks for
	onlyStates bool
	stop       chan struct{}
	turn       time.Duration // differs between clients, for the same order each time

	mu         sync.Mutex // guards the rest
	views      map[string]*view
	states     map[string]*stateView
	places     []*place          // of all, in the order in which it asks for them
	rights     map[string]*right // by topic; "" is whether its user may do anything
	next       int               // the instance that it goes to next
	sse        bool
	conn       *simConn
	at         *instance // where it is
	connected  int       // so many times
	lastID     string    // of the event stream, as an EventSource keeps it
	stalled    bool
	wasStalled bool      // some time
	slow       bool      // it reads slowly
	calmAt     time.Time // when what was done to it is over
	requests   int
}

const (
	openTimeout   = 10 * time.Second
	silence       = 10 * time.Second // beyond the heartbeat's interval
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
)

// run connects again and again.
func (c *simClient) run() {
	pause := shortestPause
	time.Sleep(c.turn)
	for {
		welcomed, err := c.session()
		c.world.logf("%s: connection ended: %v", c.name, err)
		if welcomed {
			pause = shortestPause
		}
		select {
		case <-c.stop:
			return
		case <-time.After(pause + c.turn):
		}
		pause = min(2*pause, longestPause)
	}
}

// session is one connection from its beginning to its end.
func (c *simClient) session() (welcomed bool, err error) {
	conn, request, err := c.open()
	if err != nil {
		return false, err
	}
	defer c.lost(conn)
	alive := &watchdog{client: c, conn: conn, patience: openTimeout}
	if _, err := io.WriteString(conn, request); err != nil {
		return false, err
	}
	next, err := c.readResponse(bufio.NewReader(alive), strings.HasPrefix(request, "GET /sse"))
	if err != nil {
		return false, err
	}
	for {
		f, err := next()
		if err != nil {
			return welcomed, err
		}
		if f.Type == protocol.TypeWelcome {
			welcomed = true
			alive.patience = time.Duration(f.Heartbeat)*time.Millisecond + silence
		}
		if err := c.handle(conn, f); err != nil {
			return welcomed && !errors.Is(err, errRefused), err
		}
	}
}

// watchdog is a connection on which something must be heard from time to time.
type watchdog struct {
	client   *simClient
	conn     *simConn
	patience time.Duration
	unpaid   int // bytes that were read, by a client that reads slowly
}

func (w *watchdog) Read(p []byte) (int, error) {
	w.conn.SetReadDeadline(time.Now().Add(w.patience))
	n, err := w.conn.Read(p)
	if w.client.isSlow() {
		w.unpaid += n
	}
	if w.unpaid >= 512 {
		time.Sleep(time.Duration(w.unpaid) * time.Second / slowRate)
		w.unpaid = 0
	}
	return n, err
}

const (
	// slowRate is how many bytes a second a client reads that reads slowly.
	slowRate = 20 << 10
	// slowestRead is how long it takes for what it reads at once.
	slowestRead = (4<<10 + 512) * time.Second / slowRate
)

func (c *simClient) isSlow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slow
}

// open dials, and returns the request.
func (c *simClient) open() (*simConn, string, error) {
	c.mu.Lock()
	n, sse := c.world.instance(c.next), c.sse
	c.connected++
	times := c.connected
	query := url.Values{}
	for _, p := range c.places {
		query.Add(kindOf(p.state), p.topic)
	}
	if c.recent > 0 {
		query.Set("recent", strconv.Itoa(c.recent))
	}
	since := c.cursor()
	path, headers := "ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "+protocol.Subprotocol+"\r\n"
	if sse {
		path, headers = "sse", "Accept: text/event-stream\r\n"
	}
	if c.lastID != "" && sse {
		headers += "Last-Event-ID: " + c.lastID + "\r\n"
		if c.lastID == cursor.Empty {
			c.forget()
		}
	} else if since != "" {
		query.Set("since", since)
	}
	for _, p := range c.places {
		p.stage, p.asked = absent, p.at
	}
	c.mu.Unlock()
	c.world.logf("%s: connects to %s by %s", c.name, n.name, path)
	conn, err := n.listener.dial(c.world.buffer(c.name, times))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.next++ // another instance, next time
		return nil, "", err
	}
	select {
	case <-c.stop:
		conn.Close()
		return nil, "", errStopped
	default:
	}
	if c.stalled {
		c.stalled = false
		c.calm(0)
	}
	c.conn, c.at = conn, n
	return conn, "GET /" + path + "?" + query.Encode() + " HTTP/1.1\r\nHost: sim\r\n" + userHeader + ": " + c.name + "\r\n" + headers + "\r\n", nil
}

var (
	errStopped = errors.New("the client is stopped")
	errRefused = errors.New("a topic is refused")
)

// kindOf is how a topic is asked for in the URL.
func kindOf(state bool) string {
	if state {
		return "state"
	}
	return "topic"
}

// cursor joins the positions that are known. Called with c.mu held.
func (c *simClient) cursor() string {
	return c.join(func(*place) bool { return true })
}

func (c *simClient) join(take func(*place) bool) string {
	var known []string
	for _, p := range c.places {
		if p.isKnown() && take(p) {
			known = append(known, p.cursor)
		}
	}
	if len(known) == 0 {
		return ""
	}
	return cursor.Join(known)
}

// isSamePlace reports whether cursors differ at most in when they were issued, as they do for a
// client that is disconnected before its welcome.
func (c *simClient) isSamePlace(one, other string) bool {
	a, err1 := cursor.Parse(one)
	b, err2 := cursor.Parse(other)
	for _, p := range c.places {
		at, known := a.Position(p.topic)
		if same, both := b.Position(p.topic); same != at || both != known {
			return false
		}
	}
	return err1 == nil && err2 == nil
}

// handle takes a frame.
func (c *simClient) handle(conn *simConn, f simFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != conn {
		return errStopped
	}
	switch f.Type {
	case protocol.TypePing:
		return writeText(conn, protocol.Pong())
	case protocol.TypeWelcome, protocol.TypeSubscribed:
		var answers []simAnswer
		if err := json.Unmarshal(f.Topics, &answers); err != nil {
			return err
		}
		for _, t := range answers {
			if t.Error != nil {
				return fmt.Errorf("%w: %s, %s", errRefused, t.Topic, string(t.Error.Code))
			}
			if v := c.states[t.Topic]; v != nil {
				v.welcome(t)
			} else {
				c.views[t.Topic].welcome(t)
			}
		}
	case protocol.TypeUnsubscribed:
		return c.follow(conn, f)
	case protocol.TypeMessage:
		c.views[f.Topic].message(f)
	case protocol.TypeGap:
		c.views[f.Topic].gap(f)
	case protocol.TypeState:
		c.states[f.Topic].change(f)
	case protocol.TypeSynced:
		c.states[f.Topic].whole(f)
	case protocol.TypeReset:
		c.states[f.Topic].reset(f)
	case protocol.TypeReconnect:
		c.world.logf("%s: is asked to reconnect", c.name)
		c.next++
	case protocol.TypeError:
		return fmt.Errorf("error frame: %s", f.Code)
	default:
		c.world.violate("%s: unexpected frame %+v", c.name, f)
	}
	c.takeID(f)
	return nil
}

// takeID holds the id of an event against the cursors, and keeps it. That of a client which
// is disconnected before its welcome is of the welcome. Called with c.mu held.
func (c *simClient) takeID(f simFrame) {
	if f.eventID == "" || f.Type == protocol.TypeReconnect && c.places[0].stage == absent {
		return
	}
	known := c.eventID()
	if f.eventID != known && !(f.Type == protocol.TypeReconnect && c.isSamePlace(f.eventID, known)) {
		c.world.violate("%s: the event's id is %s, but the cursors are %s", c.name, f.eventID, known)
	}
	c.lastID = f.eventID
}

// eventID is the id that an event must have: the cursor of nothing as long as the position in
// a log isn't known, and without the states whose position isn't: of nothing again if that leaves
// none behind a reset. Called with c.mu held.
func (c *simClient) eventID() string {
	for _, v := range c.views {
		if v.foreign {
			return cursor.Empty
		}
	}
	id := c.join(func(p *place) bool { return !p.foreign })
	if id == "" && slices.ContainsFunc(c.places, func(p *place) bool { return p.emptied }) {
		return cursor.Empty
	}
	return id
}

// lost notes that a connection has ended.
func (c *simClient) lost(conn *simConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.Close()
	if c.conn == conn {
		c.detach()
	}
}

// detach forgets the connection. Called with c.mu held.
func (c *simClient) detach() {
	c.conn = nil
	if !c.sse {
		c.lastID = ""
	}
	for _, p := range c.places {
		p.stage = absent
	}
}

// leave drops the connection and lets do change what it likes before the next.
func (c *simClient) leave(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.detach()
	}
	do()
}

// cut breaks the connection off, at once or in the middle of what comes next.
func (c *simClient) cut(how int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return
	}
	switch how % 4 {
	case 0:
		c.conn.cut(true)
	case 1:
		c.conn.cut(false)
	default:
		c.conn.cutAfter(1 + how*13)
	}
}

// stall makes nothing get through any more, without a word.
func (c *simClient) stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.stall(true)
		c.stalled, c.wasStalled = true, true
	}
}

// slowDown makes the client read slowly.
func (c *simClient) slowDown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slow = true
}

// repair lets everything through that was held up, and lets the connection live.
func (c *simClient) repair() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.repair()
	}
	c.stalled = false
	c.calm(0)
	if c.slow {
		c.slow = false
		c.calm(slowestRead)
	}
}

// calm notes that what was done to the client is over after a while. Called with c.mu held.
func (c *simClient) calm(after time.Duration) {
	if at := time.Now().Add(after); at.After(c.calmAt) {
		c.calmAt = at
	}
}

// rewind makes the client forget its last moves, as one that had not stored them.
// Called with c.mu held.
func (c *simClient) rewind(n int) {
	for _, v := range c.views {
		if n := min(n, len(v.moves)-1); n > 0 {
			v.moves = v.moves[:len(v.moves)-n]
			last := v.moves[len(v.moves)-1]
			v.at, v.cursor = last.to, last.cursor
			v.rewound = time.Now()
			c.lastID = ""
		}
	}
	for _, v := range c.states {
		if v.rewind(n, n%2 == 1) {
			c.lastID = ""
		}
	}
}

// forget makes the client one whose cursor is of none of its topics. Called with c.mu held.
func (c *simClient) forget() {
	for _, p := range c.places {
		p.forget()
	}
	for _, v := range c.views {
		v.moves = nil
	}
}

// reload makes the client begin again with the last messages and all keys, as a page that is
// loaded again. Called with c.mu held.
func (c *simClient) reload() {
	for _, p := range c.places {
		p.begin()
	}
	for _, v := range c.views {
		v.moves = nil
	}
	c.lastID = ""
}

// end makes run return.
func (c *simClient) end() {
	c.leave(func() { close(c.stop) })
}

// resubscribe leaves a topic, which follow then comes back to.
func (c *simClient) resubscribe(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.places {
		if p.topic == topic && c.conn != nil && !c.sse && p.stage == following {
			p.stage = leaving
			c.request(c.conn, `{"type":"unsubscribe","id":%d,"topics":[%q]}`, topic)
		}
	}
}

// follow follows the topics of an answer again, from where they were.
func (c *simClient) follow(conn *simConn, f simFrame) error {
	var left []string
	if err := json.Unmarshal(f.Topics, &left); err != nil {
		return err
	}
	for _, p := range c.places {
		if !slices.Contains(left, p.topic) {
			continue
		}
		p.stage = absent
		p.asked = p.at
		if p.state {
			c.request(conn, `{"type":"subscribe","id":%d,"topics":[{"topic":%q,"kind":"state","since":%q}]}`, p.topic, p.cursor)
		} else {
			c.request(conn, `{"type":"subscribe","id":%d,"topics":[{"topic":%q,"since":%q,"recent":%d}]}`, p.topic, p.cursor, c.recent)
		}
	}
	return nil
}

func (c *simClient) request(conn *simConn, format string, args ...any) {
	c.requests++
	// A connection that has ended shows in the reading.
	_ = writeText(conn, fmt.Appendf(nil, format, append([]any{c.requests}, args...)...))
}
