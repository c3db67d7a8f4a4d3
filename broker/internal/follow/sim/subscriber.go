package sim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// Subscriber is a subscriber connection, a [follow.Subscriber]. What is sent takes its time
// to arrive, and comes in order.
type Subscriber struct {
	// static
	store *Store
	port  *Port
	name  string
	news  chan struct{}
	ended chan struct{}

	// guarded by store.mu
	channels map[string]bool
	incoming []incoming
	sent     map[string]int // by channel
	broken   bool
	silent   bool // it is alive, and nothing is sent on it
	lose     int  // this many messages get lost
}

// incoming is an event on its way.
type incoming struct {
	follow.Event
	at time.Time
}

// Subscriber makes a connection.
func (p *Port) Subscriber(context.Context, string) (follow.Subscriber, error) {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	p.calls["open"]++
	c := &Subscriber{
		store: s, port: p, name: fmt.Sprint(p.name, " line ", p.calls["open"]),
		news: make(chan struct{}, 1), ended: make(chan struct{}), channels: map[string]bool{}, sent: map[string]int{},
	}
	s.subscribers[c] = true
	if p.closed {
		c.breakOff()
	}
	return c, nil
}

// channel is the name of a topic's channel.
func (s *Store) channel(topic string) string { return s.slot(topic) + "c:" + topic }

func (s *Store) probeChannel(channel, id string) string {
	slot := s.options.Prefix
	if channel != "" {
		slot, _, _ = strings.Cut(channel, "}")
		slot += "}"
	}
	return slot + "p:" + id
}

func (s *Store) slot(topic string) string {
	sum := sha256.Sum256([]byte(topic))
	return s.options.Prefix + "{" + hex.EncodeToString(sum[:4]) + "}"
}

// payloadOf stands for a message that is stored.
func payloadOf(p broker.Position) string { return fmt.Sprint(uint64(p.Epoch), p.Offset, p.Tag) }

// decode reads what payloadOf has written.
func (s *Store) decode(topic, payload string) (*push.Message, error) {
	var p broker.Position
	if _, err := fmt.Sscan(payload, (*uint64)(&p.Epoch), &p.Offset, &p.Tag); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[p]
	if e == nil || e.Topic != topic {
		return nil, fmt.Errorf("no message of %s was ever stored at %v", topic, p)
	}
	m := *e.Message
	return &m, nil
}

// notify is PUBLISH. Called with s.mu held.
func (s *Store) notify(channel, payload string) {
	for c := range s.subscribers {
		if !c.channels[channel] || c.silent {
			continue
		}
		// Probes aren't lost one by one: a connection that loses them is silent.
		if c.lose > 0 && plain(channel) != "probe" {
			c.lose--
			if s.faults.lost != nil {
				s.faults.lost()
			}
			continue
		}
		c.send(follow.Event{Kind: follow.EventMessage, Channel: channel, Payload: payload})
	}
}

// plain is a channel's name where that must be the same each time: the name of a probe's
// is random.
func plain(channel string) string {
	if strings.Contains(channel, "}p:") {
		return "probe"
	}
	return channel
}

// send sends an event on its way. Called with store.mu held.
func (c *Subscriber) send(e follow.Event) {
	channel := plain(e.Channel)
	at := time.Now().Add(c.store.faults.time(c.name, channel, c.sent[channel]))
	c.sent[channel]++
	if last := len(c.incoming) - 1; last >= 0 && c.incoming[last].at.After(at) {
		at = c.incoming[last].at
	}
	c.incoming = append(c.incoming, incoming{e, at})
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// breakOff ends the connection. What was on its way is lost. Called with store.mu held.
func (c *Subscriber) breakOff() {
	if !c.broken {
		c.broken, c.incoming = true, nil
		delete(c.store.subscribers, c)
		close(c.ended)
	}
}

// Close ends the connection.
func (c *Subscriber) Close() {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.breakOff()
}

// Subscribe asks for channels.
func (c *Subscriber) Subscribe(ctx context.Context, channels ...string) error {
	return c.change(ctx, true, channels)
}

// Unsubscribe ends a subscription to channels.
func (c *Subscriber) Unsubscribe(ctx context.Context, channels ...string) error {
	return c.change(ctx, false, channels)
}

func (c *Subscriber) change(ctx context.Context, wanted bool, channels []string) error {
	slices.SortFunc(channels, func(a, b string) int { return strings.Compare(plain(a), plain(b)) }) // they come out of a map
	_, err := carry(ctx, c.port, c.name, func() (struct{}, error) {
		if c.broken {
			return struct{}{}, errFake
		}
		for _, channel := range channels {
			e := follow.Event{Kind: follow.EventUnsubscribed, Channel: channel}
			if wanted {
				c.channels[channel] = true
				e.Kind = follow.EventSubscribed
			} else {
				delete(c.channels, channel)
			}
			c.send(e)
		}
		return struct{}{}, nil
	})
	if err != nil { // a connection that can't be written to is none any more
		c.Close()
	}
	return err
}

// Receive waits for the next event.
func (c *Subscriber) Receive(ctx context.Context) (follow.Event, error) {
	for {
		e, wait, err := c.next()
		if wait == 0 {
			return e, err
		}
		var arrived <-chan time.Time
		if wait > 0 {
			arrived = time.After(wait)
		}
		select {
		case <-c.ended:
		case <-c.news:
		case <-arrived:
		case <-ctx.Done():
			return e, ctx.Err()
		}
	}
}

// next returns the next event, or how long to wait for it; -1 if there is none.
func (c *Subscriber) next() (e follow.Event, wait time.Duration, err error) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	switch {
	case c.broken:
		return e, 0, errFake
	case len(c.incoming) == 0:
		return e, -1, nil
	}
	if wait = time.Until(c.incoming[0].at); wait > 0 {
		return e, wait, nil
	}
	e = c.incoming[0].Event
	c.incoming = c.incoming[1:]
	return e, 0, nil
}
