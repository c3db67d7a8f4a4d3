//clock:virtual

package redisbroker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
)

// fakeLine is one connection for pub/sub. What is sent takes its time to be heard,
// and comes in order.
type fakeLine struct {
	// static
	redis *fakeRedis
	port  *fakePort
	name  string
	news  chan struct{}
	ended chan struct{}

	// guarded by redis.mu
	channels map[string]bool
	coming   []coming
	sent     map[string]int // by channel
	broken   bool
	deaf     bool // it is alive, and nothing is sent on it
	lose     int  // so many messages get lost
}

// coming is a notice on its way.
type coming struct {
	redisbroker.SimNotice
	at time.Time
}

func (p *fakePort) Open() redisbroker.SimLine {
	r := p.redis
	r.mu.Lock()
	defer r.mu.Unlock()
	p.calls["open"]++
	l := &fakeLine{
		redis: r, port: p, name: fmt.Sprint(p.name, " line ", p.calls["open"]),
		news: make(chan struct{}, 1), ended: make(chan struct{}), channels: map[string]bool{}, sent: map[string]int{},
	}
	r.lines[l] = true
	if p.closed {
		l.breakOff()
	}
	return l
}

// send is PUBLISH. Called with r.mu held.
func (r *fakeRedis) send(channel, text string) {
	for l := range r.lines {
		if !l.channels[channel] || l.deaf {
			continue
		}
		// Probes aren't lost one by one: a line that loses them is deaf.
		if l.lose > 0 && plain(channel) != "probe" {
			l.lose--
			if r.faults.lost != nil {
				r.faults.lost()
			}
			continue
		}
		l.tell(redisbroker.SimNotice{Kind: redisbroker.SimMessage, Channel: channel, Text: text})
	}
}

// plain is a channel's name for what must be the same each time: that of a probe is
// random.
func plain(channel string) string {
	if strings.Contains(channel, "}p:") {
		return "probe"
	}
	return channel
}

// tell sends a notice on its way. Called with redis.mu held.
func (l *fakeLine) tell(n redisbroker.SimNotice) {
	channel := plain(n.Channel)
	at := time.Now().Add(l.redis.faults.time(l.name, channel, l.sent[channel]))
	l.sent[channel]++
	if last := len(l.coming) - 1; last >= 0 && l.coming[last].at.After(at) {
		at = l.coming[last].at
	}
	l.coming = append(l.coming, coming{n, at})
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// breakOff ends the line. What was on its way is lost. Called with redis.mu held.
func (l *fakeLine) breakOff() {
	if !l.broken {
		l.broken, l.coming = true, nil
		delete(l.redis.lines, l)
		close(l.ended)
	}
}

func (l *fakeLine) Close() {
	l.redis.mu.Lock()
	defer l.redis.mu.Unlock()
	l.breakOff()
}

func (l *fakeLine) Subscribe(ctx context.Context, channels ...string) error {
	return l.change(ctx, true, channels)
}

func (l *fakeLine) Unsubscribe(ctx context.Context, channels ...string) error {
	return l.change(ctx, false, channels)
}

func (l *fakeLine) change(ctx context.Context, wanted bool, channels []string) error {
	slices.SortFunc(channels, func(a, b string) int { return strings.Compare(plain(a), plain(b)) }) // they come out of a map
	_, err := carry(ctx, l.port, l.name, func() (struct{}, error) {
		if l.broken {
			return struct{}{}, errFake
		}
		for _, channel := range channels {
			n := redisbroker.SimNotice{Kind: redisbroker.SimUnsubscribed, Channel: channel}
			if wanted {
				l.channels[channel] = true
				n.Kind = redisbroker.SimSubscribed
			} else {
				delete(l.channels, channel)
			}
			l.tell(n)
		}
		return struct{}{}, nil
	})
	if err != nil { // a connection that can't be written to is none any more
		l.Close()
	}
	return err
}

func (l *fakeLine) Receive(ctx context.Context) (redisbroker.SimNotice, error) {
	for {
		n, wait, err := l.next()
		if wait == 0 {
			return n, err
		}
		var arrived <-chan time.Time
		if wait > 0 {
			arrived = time.After(wait)
		}
		select {
		case <-l.ended:
		case <-l.news:
		case <-arrived:
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
}

// next gives the next notice, or tells how long to wait for it; -1 if there is none.
func (l *fakeLine) next() (n redisbroker.SimNotice, wait time.Duration, err error) {
	l.redis.mu.Lock()
	defer l.redis.mu.Unlock()
	switch {
	case l.broken:
		return n, 0, errFake
	case len(l.coming) == 0:
		return n, -1, nil
	}
	if wait = time.Until(l.coming[0].at); wait > 0 {
		return n, wait, nil
	}
	n = l.coming[0].SimNotice
	l.coming = l.coming[1:]
	return n, 0, nil
}
