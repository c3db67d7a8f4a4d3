package pushtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/optional"
)

// Client is a client in a test, connected in memory. It reads all that comes, and reconnects
// with its cursor when its connection ends. Its methods are for the goroutine of the test:
// what isn't as they say is a failure that ends it. They wait for ten seconds at most, which
// cost nothing in a bubble of testing/synctest.
type Client struct {
	t       testing.TB
	hub     *Hub // nil if it isn't known
	options *dialing
	to      *mounted
	visitor *visitor
	bubble  string // of testing/synctest in which it was made; empty for none
	http    *http.Client
	ctx     context.Context // ends with the client
	stop    context.CancelFunc

	board   board // guards the rest
	topics  []*followed
	events  []Event // that weren't taken
	taken   []Event // the last that were, for the texts of failures
	link    link    // nil while there is no connection
	session string  // of the connection
	ready   bool    // the server has welcomed it
	wanted  bool    // a connection, even without topics
	again   bool    // the connection was ended to begin another at once
	away    bool    // no connection, for now
	ended   error   // why there will be none any more
	last    error   // why the last connection has ended
	request uint64  // the number of the last
	replies map[uint64]chan answer
}

// followed is one topic of a client.
type followed struct {
	topic     string
	state     *State // nil for a log
	recent    int
	cursor    string
	asked     bool // for, over this connection
	confirmed bool // by the server, over this connection
	granted   bool // at least once
	refused   *push.Error
}

// Dial connects a client to an application's own handler, router and middleware included,
// which has a hub's routes below a path such as /push. The client goes with the test. See
// [Hub.Client] for a hub of [NewHub].
func Dial(t testing.TB, handler http.Handler, path string, options ...Option) *Client {
	t.Helper()
	d := newDialing(options)
	if d.through != nil {
		t.Fatal("pushtest: Through is for Hub.Client: Dial has a handler already")
	}
	return newClient(t, d, &mounted{handler: handler, path: path}, nil)
}

func newClient(t testing.TB, d *dialing, to *mounted, hub *Hub) *Client {
	t.Helper()
	if to.listener == nil {
		to.listener = serve(t, to.handler)
	}
	c := &Client{
		t: t, hub: hub, options: d, to: to, visitor: newVisitor(d.identity), replies: map[uint64]chan answer{},
	}
	c.bubble, _ = inBubble()
	transport := &http.Transport{DialContext: c.dial}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.ctx, c.stop = context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run()
	}()
	t.Cleanup(func() {
		c.stop()
		c.visitor.cut()
		<-done
		transport.CloseIdleConnections()
		c.board.update(func() {
			if c.ended == nil {
				c.ended = errOver
			}
		})
	})
	return c
}

var errOver = errors.New("it has ended with the test that it was made for")

// check returns why the client can't be used here.
func (c *Client) check() error {
	if bubble, _ := inBubble(); bubble != c.bubble {
		return errBubble
	}
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	if errors.Is(c.ended, errOver) {
		return errOver
	}
	return nil
}

// must fails the test if the client can't be used here.
func (c *Client) must(name string) {
	c.t.Helper()
	if err := c.check(); err != nil {
		c.t.Fatalf("pushtest: %s of %v: %v", name, c, err)
	}
}

// FollowOptions says where a client begins.
type FollowOptions struct {
	// Since is the cursor to continue from.
	Since string
	// Recent is how many of the last messages come first, if there is no cursor.
	Recent int
}

// Follow follows a topic, and returns when the server has confirmed it: what is published
// from then on arrives. A refusal fails the test; see [Client.TryFollow]. Over another
// transport than a WebSocket each further topic begins another connection, which resumes.
func (c *Client) Follow(topic string, options ...FollowOptions) {
	c.t.Helper()
	o := optional.One(options)
	if err := c.follow(&followed{topic: topic, cursor: o.Since, recent: o.Recent}); err != nil {
		c.t.Fatalf("pushtest: %v can't follow %q: %v", c, topic, err)
	}
}

// TryFollow is Follow for what may be refused: it returns why, as a [push.Error].
func (c *Client) TryFollow(topic string) error {
	c.t.Helper()
	return c.follow(&followed{topic: topic})
}

// follow asks for a topic and waits for what becomes of it.
func (c *Client) follow(f *followed) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.visitor.isStalled() {
		return errStalled
	}
	known := false
	c.board.update(func() {
		if known = c.find(f.topic) != nil; !known {
			c.topics = append(c.topics, f)
		}
	})
	if known {
		return push.NewError(push.CodeBadRequest, "the client follows this topic already", nil)
	}
	c.ask()
	answered := c.board.wait(func() bool { return f.granted || f.refused != nil || c.ended != nil })
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	switch {
	case f.refused != nil:
		return f.refused
	case f.granted && c.ended == nil:
		return c.checkIdentity()
	}
	c.topics = slices.DeleteFunc(c.topics, func(other *followed) bool { return other == f })
	switch {
	case c.ended != nil:
		return c.ended
	case !answered && c.last != nil:
		return fmt.Errorf("no answer within %v: %w", patience, c.last)
	default:
		return fmt.Errorf("no answer within %v", patience)
	}
}

var errStalled = fmt.Errorf("the client is stalled, so it reads no answer: call Resume first")

// checkIdentity fails if nobody has asked who the client is.
func (c *Client) checkIdentity() error {
	if id := c.options.identity; id != nil && !id.used.Load() {
		return fmt.Errorf("the hub hasn't asked who the client is, so As does nothing: make the hub by pushtest.NewHub, " +
			"or set its Options.Identify to what pushtest.Identify returns")
	}
	return nil
}

// find returns what is known of a topic that is followed. Called with the board locked.
func (c *Client) find(topic string) *followed {
	for _, f := range c.topics {
		if f.topic == topic {
			return f
		}
	}
	return nil
}

// Session is the connection's name, as hooks and [push.Hub.Disconnect] have it; empty for a
// poll, and while there is no connection.
func (c *Client) Session() string {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	return c.session
}

// Cursor is where the client is in all its topics, to continue from with another.
func (c *Client) Cursor() string {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	var all []string
	for _, f := range c.topics {
		if f.cursor != "" {
			all = append(all, f.cursor)
		}
	}
	return cursor.Join(all)
}

// position is where the client is in a topic; zero if that isn't known. Called with the board
// locked.
func (f *followed) position() broker.Position {
	at, err := cursor.Parse(f.cursor)
	if err != nil {
		return broker.Position{}
	}
	position, _ := at.Position(f.topic)
	return position
}

// String names the client in the texts of failures.
func (c *Client) String() string {
	name := "the client"
	if id := c.options.identity; id != nil && id.User != "" {
		name = "the client of " + id.User
	}
	return name + " (" + c.options.transport.String() + ")"
}

// situation is what is known of the client, for the text of a failure. Called with the board
// locked.
func (c *Client) situation() string {
	var lines []string
	switch {
	case c.ended != nil:
		lines = append(lines, "  it has ended: "+c.ended.Error())
	case c.link == nil && c.last != nil:
		lines = append(lines, "  it isn't connected: "+c.last.Error())
	}
	if c.visitor.isStalled() {
		lines = append(lines, "  it is stalled")
	}
	var topics []string
	for _, f := range c.topics {
		topics = append(topics, fmt.Sprintf("%q", f.topic))
	}
	if len(topics) == 0 {
		topics = append(topics, "nothing")
	}
	lines = append(lines, "  it follows "+strings.Join(topics, ", "))
	for _, e := range c.taken[max(0, len(c.taken)-maxListed):] {
		lines = append(lines, "  got before   "+e.String())
	}
	for _, e := range c.events[:min(maxListed, len(c.events))] {
		lines = append(lines, "  not yet taken "+e.String())
	}
	return strings.Join(lines, "\n")
}

// Cut drops the connection without a word, as a network does, calls what is to happen while
// the client is away, and waits until the client is back, with its cursor.
func (c *Client) Cut(meanwhile ...func()) {
	c.t.Helper()
	c.must("Cut")
	c.board.update(func() { c.away = true })
	c.visitor.cut()
	c.board.wait(func() bool { return c.link == nil || c.ended != nil })
	settle(c.t)
	for _, f := range meanwhile {
		f()
	}
	c.visitor.comeBack()
	c.board.update(func() { c.away = false })
	back := c.board.wait(func() bool {
		return c.ended != nil || !slices.ContainsFunc(c.topics, func(f *followed) bool { return !f.confirmed })
	})
	if !back {
		c.board.mu.Lock()
		defer c.board.mu.Unlock()
		c.t.Fatalf("pushtest: %v doesn't come back within %v\n%s", c, patience, c.situation())
	}
}

// Stall stops the reading, as a client does whose tab sleeps, until [Client.Resume]. What has
// come by then is there; the rest waits in the hub, which ends the connection when its queue
// is full, or a write takes too long.
func (c *Client) Stall() { c.visitor.stall(true) }

// Resume goes on with what [Client.Stall] has stopped.
func (c *Client) Resume() { c.visitor.stall(false) }

// pause waits before the next attempt to connect.
func (c *Client) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}
