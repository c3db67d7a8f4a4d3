package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/faults/mirror"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// client follows some topics for as long as the run lasts. It does what a client must: it comes back with its cursor,
// to another instance and sometimes by another transport, after a backoff; it notices by itself when the line is dead;
// and it never gives up.
type client struct {
	// static
	number    int
	user      string
	topics    []string
	state     string      // a topic that is a state; "" for none
	mirror    *mirror.Map // of the state
	home      []way       // the ways that it prefers
	away      []way       // and takes sometimes
	addresses [][]string  // of each instance's links
	random    *rand.Rand  // owned by run
	violated  *violations

	// owned by run
	cursors  map[string]string
	eventID  string // where the last event stream said that the client is; "" after a WebSocket
	failures int

	mu        sync.Mutex // guards the rest
	views     map[string]*view
	log       []event
	instance  int  // that it is connected to, or tries to be
	connected bool // and welcomed
	session   string
	barred    time.Time // from then on nothing is for its user; zero if everything is
	counts    clientCounts
}

// event is something that happened to a client.
type event struct {
	at   time.Time
	text string
}

// clientCounts are a client's figures.
type clientCounts struct {
	connections int
	silent      int // ended by the client, which heard nothing
	refusals    int // of topics
}

const (
	connectTimeout = 5 * time.Second
	leastBackoff   = 100 * time.Millisecond
	mostBackoff    = 2 * time.Second
	// strays is one in how many connections goes by the other transport.
	strays = 5
	// maxEvents is how many events are kept: the last ones.
	maxEvents = 400
)

// run follows until the context ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := c.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		c.ended(err)
		// Full jitter; a server that names a delay is believed if that is longer.
		backoff := min(mostBackoff, leastBackoff<<min(c.failures, 10))
		wait = max(wait, time.Duration(c.random.Int64N(int64(backoff))))
		c.failures++
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// connect follows over one connection until it ends, and tells how long the server wants the client to stay away.
func (c *client) connect(ctx context.Context) (wait time.Duration, err error) {
	w := c.home[c.random.IntN(len(c.home))]
	if c.random.IntN(strays) == 0 {
		w = c.away[c.random.IntN(len(c.away))]
	}
	links := c.addresses[c.elsewhere()]
	address := links[c.random.IntN(len(links))] + w.path
	cursor, began := c.cursor(), time.Now()
	c.note("to %s by %s", address, w.name)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patience := time.AfterFunc(connectTimeout, cancel)
	link, err := w.dial(ctx, address, c.user, c.asked(), cursor)
	if err != nil {
		return 0, err
	}
	defer link.close()
	for welcomed := false; ; {
		f, err := link.next()
		if err != nil {
			return wait, err
		}
		switch f.Type {
		case protocol.TypeWelcome:
			if !patience.Stop() || welcomed {
				return 0, errors.New("welcomed too late or twice")
			}
			welcomed = true
			link.expect(time.Duration(f.Heartbeat) * time.Millisecond)
			err = errors.Join(c.welcome(f.Topics, f.Session, began), c.beginState(&f))
			c.failures = 0
		case protocol.TypeReconnect:
			wait = time.Duration(f.After) * time.Millisecond
		case protocol.TypeMessage, protocol.TypeGap:
			err = c.take(f)
		case protocol.TypeState, protocol.TypeSynced, protocol.TypeReset:
			err = c.takeState(&f)
		case protocol.TypeError:
			err = fmt.Errorf("error %s: %s", f.Code, f.Reason)
		}
		if err != nil {
			return wait, err
		}
		if f.Type != protocol.TypePing {
			c.eventID = f.eventID
		}
	}
}

// elsewhere chooses another instance than the last one.
func (c *client) elsewhere() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instance = (c.instance + 1 + c.random.IntN(len(c.addresses)-1)) % len(c.addresses)
	return c.instance
}

// on tells which instance the client is connected to, if it is.
func (c *client) on() (instance int, connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance, c.connected
}

// cursor is where the client is in all its topics: in the words of the last event stream, as EventSource has them, or
// joined of what it knows itself.
func (c *client) cursor() string {
	if c.eventID != "" && c.random.IntN(2) == 0 {
		return c.eventID
	}
	var known []string
	for _, topic := range c.topics {
		if cursor := c.cursors[topic]; cursor != "" {
			known = append(known, cursor)
		}
	}
	if c.mirror != nil && c.mirror.Cursor() != "" {
		known = append(known, c.mirror.Cursor())
	}
	if len(known) == 0 {
		return ""
	}
	return cursor.Join(known)
}

// welcome takes the answers for the topics. One that is refused for now makes the client come back later.
func (c *client) welcome(answers []topicAnswer, s string, began time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.barred.IsZero() && began.After(c.barred) {
		c.violated.add(trespassed, c.number, "", "%s is let in, who was revoked before %s", c.user, c.barred.Format(clock))
	}
	c.session = s
	c.counts.connections++
	c.connected = true
	var refused error
	for _, a := range answers {
		v := c.views[a.Topic]
		switch {
		case a.Topic == c.state:
			continue // see beginState
		case v == nil:
			c.violated.add(broken, c.number, a.Topic, "an answer for a topic that wasn't asked for")
			continue
		case a.Error != nil:
			c.counts.refusals++
			if a.Error.Retry == push.CodeForbidden.Retry() {
				v.report(broken, "the topic was refused for good: %s", a.Error.Code)
			}
			refused = fmt.Errorf("topic %s is refused: %s", a.Topic, a.Error.Code)
			continue
		}
		at, err := position(a.Topic, a.Cursor)
		if err != nil {
			v.report(broken, "a welcome from %q: %v", a.From, err)
			return err
		}
		if v.place.IsZero() {
			v.start(at)
		} else {
			v.resumed(session.From(a.From), at)
		}
		c.cursors[a.Topic] = a.Cursor
	}
	return refused
}

// take takes a message or a gap.
func (c *client) take(f frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.views[f.Topic]
	if v == nil || v.place.IsZero() {
		c.violated.add(broken, c.number, f.Topic, "a %s of a topic that isn't followed", f.Type)
		return errors.New("a topic that isn't followed")
	}
	after := f.cursorAfter(c.cursors[f.Topic])
	at, err := position(f.Topic, after)
	if err != nil || f.Type == protocol.TypeGap && (f.Now == nil || !f.Now.is(at)) {
		v.report(broken, "the cursor of a %s says %s, the frame %v; %v", f.Type, format(at), f.Now, err)
		return errors.New("a cursor that isn't its frame's")
	}
	if f.Type == protocol.TypeGap {
		v.gap(broker.GapReason(f.Reason), f.Last, at)
	} else {
		p, err := parsePayload(f.Data)
		if err != nil {
			v.report(broken, "the data %.40q at %s: %v", f.Data, format(at), err)
			return err
		}
		if !c.barred.IsZero() && v.ledger.begun(p).After(c.barred) {
			v.report(trespassed, "%v came, published later than %s, when %s had long been revoked", p, c.barred.Format(clock), c.user)
		}
		v.message(at, p)
	}
	c.cursors[f.Topic] = after
	return nil
}

// position reads a cursor of one topic.
func position(topic, text string) (broker.Position, error) {
	parsed, err := cursor.Parse(text)
	if err != nil {
		return broker.Position{}, err
	}
	at, ok := parsed.Position(topic)
	if !ok {
		return broker.Position{}, fmt.Errorf("no position in %q", text)
	}
	return at, nil
}

// ended notes why a connection has ended.
func (c *client) ended(err error) {
	text := "ended"
	if err != nil {
		text = err.Error()
	}
	c.note("%s", text)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = false
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.counts.silent++
	}
}

func (c *client) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.log) == maxEvents {
		c.log = append(c.log[:0], c.log[maxEvents/2:]...)
	}
	c.log = append(c.log, event{time.Now(), fmt.Sprintf(format, args...)})
}

// at reports whether the client has come to a head, or in its epoch beyond it.
func (c *client) at(topic string, head broker.Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.views[topic]
	return v == nil || v.place.Epoch == head.Epoch && v.place.Offset >= head.Offset
}

// following reports whether the client has a place in all its topics.
func (c *client) following() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.views {
		if v.place.IsZero() {
			return false
		}
	}
	return c.mirror == nil || c.mirror.Complete()
}

// timeline is what happened to the client in one topic.
func (c *client) timeline(topic string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "client %d:\n", c.number)
	for _, e := range c.log {
		fmt.Fprintf(&b, "  %s %s\n", e.at.Format(clock), e.text)
	}
	if v := c.views[topic]; v != nil {
		fmt.Fprintf(&b, "  topic %s:\n", topic)
		for _, s := range v.spans {
			fmt.Fprintf(&b, "    %s\n", s)
		}
	}
	return b.String()
}
