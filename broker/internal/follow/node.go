package follow

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// node is one node of the store: its subscriber connection and the topics that are heard
// on it. A store with a single node has one for all topics.
//
// Three goroutines serve it. The first only receives: it passes messages to topics, which
// never block. The second subscribes and unsubscribes. The third compares topics with the
// store: those just subscribed to (after each reconnect, that is all of them), and every
// few seconds those where nothing was heard. It also probes whether anything that is sent
// is heard at all. A fourth waits to close the connection.
type node struct {
	// static
	broker  *Broker
	name    string
	ctx     context.Context // ends with the node
	cancel  context.CancelFunc
	changed chan struct{} // wakes updateSubscriptions
	suspect chan struct{} // wakes runChecks

	mu         sync.Mutex // guards the rest; taken after broker.mu
	subscriber Subscriber // nil until something is wanted
	topics     map[string]*topic
	changes    map[string]bool // channels to subscribe to (true), or to unsubscribe from
	suspects   map[string]bool // channels that may have missed something
	leaving    map[string]int  // channels whose unsubscribing isn't confirmed yet, and how many times
	moved      map[string]bool // channels that the store has taken away: they are on another node now
	dropped    bool            // the connection was lost: topics may be on another node now
	probe      probe
	delivery   delivery
	down       error // why nothing is heard
	logged     bool  // the log says that the connection is down
}

// probe is a channel of the connection's own, on which it sends to itself.
type probe struct {
	channel     string
	sent, heard int
	missed      int           // probes in a row
	begun       time.Time     // when the last was sent
	took        time.Duration // from then until the last that was heard in time; zero if none was
}

// delivery is what is known of whether the messages of topics are heard, besides probes.
type delivery struct {
	heard  bool // one was, since the last check
	missed int  // checks in a row that found one that wasn't; checks that show neither don't count
}

const (
	minReconnect = 50 * time.Millisecond
	maxReconnect = time.Second
	// silentAfter is how many probes in a row may go unheard.
	silentAfter = 2
	// unheardAfter is how many checks in a row must find messages that weren't heard
	// before that is reported. Single ones may get lost.
	unheardAfter = 3
)

func newNode(b *Broker, name string) *node {
	n := &node{
		broker:   b,
		name:     name,
		changed:  make(chan struct{}, 1),
		suspect:  make(chan struct{}, 1),
		topics:   map[string]*topic{},
		changes:  map[string]bool{},
		suspects: map[string]bool{},
		leaving:  map[string]int{},
		moved:    map[string]bool{},
	}
	n.ctx, n.cancel = context.WithCancel(b.ctx)
	return n
}

func wake(sleeper chan struct{}) {
	select {
	case sleeper <- struct{}{}:
	default:
	}
}

// receive handles events until the node ends.
func (n *node) receive() {
	backoff := minReconnect
	for n.ctx.Err() == nil {
		subscriber, err := n.connect()
		if err == nil {
			var e Event
			if e, err = subscriber.Receive(n.ctx); err == nil {
				backoff = minReconnect
				n.handle(e)
				continue
			}
		}
		if n.ctx.Err() != nil {
			break
		}
		n.failed(err)
		if lasting(err) {
			backoff = maxReconnect
		}
		if sleep(n.ctx, backoff) {
			backoff = min(2*backoff, maxReconnect)
			n.disconnect()
		}
	}
	n.disconnect() // from a connection made after closeAtEnd had passed
}

// failed notes and logs that nothing is heard. If that lasts, nobody need wait for a
// topic's position.
func (n *node) failed(err error) {
	n.mu.Lock()
	first := n.down == nil
	n.down, n.dropped = err, true
	n.mu.Unlock()
	if first {
		logged := n.broker.problems.log(slog.LevelWarn, "pub/sub connection lost", "node", n.name, "error", err)
		n.mu.Lock()
		n.logged = logged
		n.mu.Unlock()
	}
	_ = n.broker.problems.note(err)
	if lasting(err) {
		for _, t := range n.all() {
			t.refuse(err)
		}
	}
	n.broker.store.Reload(n.ctx)
	wake(n.suspect)
}

// handle acts on an event.
func (n *node) handle(e Event) {
	t, back := n.note(e)
	if back {
		n.broker.options.Logger.Info(n.broker.options.Name+": pub/sub connection is back", "node", n.name)
	}
	if e.Kind == EventMessage && t != nil {
		n.deliver(t, e.Payload)
	}
}

// note returns the topic that an event is about, and reports whether the event ends a
// time in which nothing was heard, as the log says.
func (n *node) note(e Event) (t *topic, back bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t = n.topics[e.Channel]
	switch {
	case e.Kind == EventMessage && e.Channel == n.probe.channel:
		n.probe.heard, _ = strconv.Atoi(e.Payload)
		if n.probe.heard == n.probe.sent {
			n.probe.took = time.Since(n.probe.begun)
		}
	case e.Kind == EventMessage:
		n.delivery.heard = true
	case e.Kind == EventSubscribed:
		back = n.down != nil && n.logged
		n.down = nil
		if t != nil {
			n.suspects[e.Channel] = true
			wake(n.suspect)
		}
	case e.Kind == EventUnsubscribed && n.leaving[e.Channel] > 1:
		n.leaving[e.Channel]--
	case e.Kind == EventUnsubscribed && n.leaving[e.Channel] == 1:
		delete(n.leaving, e.Channel)
	case e.Kind == EventUnsubscribed && t != nil:
		n.moved[e.Channel] = true
		wake(n.suspect)
	}
	return t, back
}

// deliver passes a notification to its topic.
func (n *node) deliver(t *topic, payload string) {
	m, err := n.broker.store.Decode(t.name, payload)
	if err != nil {
		// If it stood for a message of the topic, the next check finds that.
		_ = n.broker.problems.note(push.NewError(push.CodeInternal, ForeignMessages, &RefusalError{Answer: fmt.Errorf(
			"channel %s: %w: %s", Quoted(t.channel), err, Quoted(payload))}))
		return
	}
	t.receive(m)
}

func (n *node) isIdle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.topics) == 0
}

// all returns the node's topics.
func (n *node) all() []*topic {
	n.mu.Lock()
	defer n.mu.Unlock()
	topics := make([]*topic, 0, len(n.topics))
	for _, t := range n.topics {
		topics = append(topics, t)
	}
	return topics
}

// lag is how long the last probe took, or has taken so far.
func (n *node) lag() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.probe; p.heard != p.sent {
		return max(p.took, time.Since(p.begun))
	}
	return n.probe.took
}

// health reports why live messages may come late.
func (n *node) health() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.down != nil:
		return push.NewError(push.CodeUnavailable, "the broker's live messages are late", n.down)
	case n.probe.missed > 0:
		return errSilent
	case n.delivery.missed >= unheardAfter:
		return errUnheard
	default:
		return nil
	}
}
