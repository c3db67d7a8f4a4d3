package redisbroker

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// link is one connection for pub/sub and the topics that are heard on it: one for
// all topics, or on a Cluster one for each node that owns some of them.
//
// Three goroutines tend it. One only reads: it hands messages to topics, whose
// queues never block. One tells Redis what is wanted. One compares the topics with
// Redis, each time they have been subscribed to (which is also after each
// reconnect) and those where nothing was heard every few seconds; and it probes
// whether what is sent is heard at all.
type link struct {
	// static
	broker *Broker
	place  string
	ctx    context.Context // ends with the link
	cancel context.CancelFunc
	told   chan struct{} // wakes tell
	roused chan struct{} // wakes tend

	mu       sync.Mutex // guards the rest; taken after broker.mu
	line     line       // nil until something is wanted
	topics   map[string]*topic
	changes  map[string]bool // by channel: what Redis is to be told; true wants it
	suspects map[string]bool // channels that may have missed something
	leaving  map[string]int  // channels whose UNSUBSCRIBE isn't confirmed yet, and how many
	astray   map[string]bool // channels that were taken away: they are heard elsewhere now
	lost     bool            // the line fell: topics may be heard elsewhere now
	probe    probe
	live     live
	down     error // why nothing is heard
	said     bool  // the log says that it is down
}

// probe is a channel of the link's own, on which it sends to itself.
type probe struct {
	channel     string
	sent, heard int
	missed      int // probes in a row
}

// live is what is known of whether topics' messages are heard, besides the link's own.
type live struct {
	heard  bool // one was, since the last check
	missed int  // checks in a row that have found that one wasn't; those don't count that say nothing
}

const (
	minReconnect = 50 * time.Millisecond
	maxReconnect = time.Second
	// deafAfter is how many probes in a row may fail.
	deafAfter = 2
	// unheardAfter is how many checks in a row must find messages that weren't heard
	// until that is told. Single ones may get lost.
	unheardAfter = 3
)

func newLink(b *Broker, place string) *link {
	l := &link{
		broker:   b,
		place:    place,
		told:     make(chan struct{}, 1),
		roused:   make(chan struct{}, 1),
		topics:   map[string]*topic{},
		changes:  map[string]bool{},
		suspects: map[string]bool{},
		leaving:  map[string]int{},
		astray:   map[string]bool{},
	}
	l.ctx, l.cancel = context.WithCancel(b.ctx)
	return l
}

// want makes a topic heard. It doesn't wait for Redis; the last word counts.
func (l *link) want(t *topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics[t.channel] = t
	// What is subscribed to already is confirmed again, which makes the topic read.
	l.changes[t.channel] = true
	wake(l.told)
}

func (l *link) unwant(t *topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.topics[t.channel] != t {
		return
	}
	delete(l.topics, t.channel)
	l.changes[t.channel] = false
	wake(l.told)
}

func wake(sleeper chan struct{}) {
	select {
	case sleeper <- struct{}{}:
	default:
	}
}

// hangUp closes the line when the link ends, which ends the reading. That may take
// as long as go-redis takes to connect, so nobody else waits for it.
func (l *link) hangUp() {
	<-l.ctx.Done()
	l.renew()
}

// read hands on what is heard, until the link ends.
func (l *link) read() {
	backoff := minReconnect
	for l.ctx.Err() == nil {
		line, err := l.connect()
		if err == nil {
			var n notice
			if n, err = line.receive(l.ctx); err == nil {
				backoff = minReconnect
				l.take(n)
				continue
			}
		}
		if l.ctx.Err() != nil {
			break
		}
		err = unavailable(err)
		l.fell(err)
		if lasting(err) {
			backoff = maxReconnect
		}
		if sleep(l.ctx, backoff) {
			backoff = min(2*backoff, maxReconnect)
			l.renew()
		}
	}
	l.renew() // one that was made when hangUp had been there
}

// connect gives the line, which it makes if there is none. Only read calls it.
func (l *link) connect() (line, error) {
	made, channel := l.connected()
	if made != nil {
		return made, nil
	}
	made, err := l.broker.port.open(l.ctx, channel)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = made
	l.live = live{}
	l.probe = probe{channel: l.broker.options.probeChannel(channel, l.broker.id)}
	l.changes[l.probe.channel] = true
	for channel := range l.topics {
		l.changes[channel] = true
	}
	wake(l.told)
	return made, nil
}

// connected gives the line if there is one, else a channel that it is needed for.
func (l *link) connected() (made line, channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line != nil {
		return l.line, ""
	}
	for channel := range l.topics {
		return nil, channel
	}
	return nil, ""
}

// renew ends the line; another is made, subscribed to all channels.
func (l *link) renew() {
	l.mu.Lock()
	old := l.line
	l.line = nil
	clear(l.changes)
	clear(l.leaving)
	l.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// fell notes, and says, that nothing is heard. If that lasts, nobody need wait for a
// topic's place.
func (l *link) fell(err error) {
	l.mu.Lock()
	first := l.down == nil
	l.down, l.lost = err, true
	l.mu.Unlock()
	if first {
		said := l.broker.troubles.say(slog.LevelWarn, "redisbroker: pub/sub connection lost", "node", l.place, "error", err)
		l.mu.Lock()
		l.said = said
		l.mu.Unlock()
	}
	_ = l.broker.troubles.note(err)
	if lasting(err) {
		for _, t := range l.all() {
			t.refuse(err)
		}
	}
	l.broker.port.look(l.ctx)
	wake(l.roused)
}

// take acts on a notice.
func (l *link) take(n notice) {
	t, back := l.note(n)
	if back {
		l.broker.options.Logger.Info("redisbroker: pub/sub connection is back", "node", l.place)
	}
	if n.kind == noticeMessage && t != nil {
		l.hear(t, n.text)
	}
}

// note gives the topic that a notice is for, and reports whether it ends a time in
// which nothing was heard, as the log says.
func (l *link) note(n notice) (t *topic, back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t = l.topics[n.channel]
	switch {
	case n.kind == noticeMessage && n.channel == l.probe.channel:
		l.probe.heard, _ = strconv.Atoi(n.text)
	case n.kind == noticeMessage:
		l.live.heard = true
	case n.kind == noticeSubscribed:
		back = l.down != nil && l.said
		l.down = nil
		if t != nil {
			l.suspects[n.channel] = true
			wake(l.roused)
		}
	case n.kind == noticeUnsubscribed && l.leaving[n.channel] > 1:
		l.leaving[n.channel]--
	case n.kind == noticeUnsubscribed && l.leaving[n.channel] == 1:
		delete(l.leaving, n.channel)
	case n.kind == noticeUnsubscribed && t != nil:
		l.astray[n.channel] = true
		wake(l.roused)
	}
	return t, back
}

func (l *link) hear(t *topic, text string) {
	m, err := parsePublished(t.name, text)
	if err != nil {
		// A message of the topic that came like this is found by the check.
		_ = l.broker.troubles.note(push.Errorf(push.CodeInternal, foreignMessage, &refused{answer: fmt.Errorf(
			"channel %s: %w: %s", quoted(t.channel), err, quoted(text))}))
		return
	}
	t.take(m)
}

// tell tells Redis what is wanted, until the link ends.
func (l *link) tell() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.told:
		}
		line, add, remove := l.next()
		if line == nil {
			continue
		}
		// What fails shows in the reading, which begins anew.
		if len(remove) > 0 {
			_ = line.unsubscribe(l.ctx, remove...)
		}
		if len(add) > 0 {
			_ = line.subscribe(l.ctx, add...)
		}
	}
}

const foreignMessage = "foreign messages come on the broker's channels"

// next takes the changes that are to be told.
func (l *link) next() (to line, add, remove []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line == nil {
		return nil, nil, nil // the next line begins with all that is wanted
	}
	for channel, wanted := range l.changes {
		if wanted {
			add = append(add, channel)
		} else {
			remove = append(remove, channel)
			l.leaving[channel]++
		}
	}
	clear(l.changes)
	return l.line, add, remove
}

func (l *link) isIdle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.topics) == 0
}

// health tells why live messages may come late.
func (l *link) health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.down != nil:
		return push.Errorf(push.CodeUnavailable, "the broker's live messages are late", l.down)
	case l.probe.missed > 0:
		return errDeaf
	case l.live.missed >= unheardAfter:
		return errUnheard
	default:
		return nil
	}
}
