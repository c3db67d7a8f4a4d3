package redisbroker

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/push"
)

// checkBatch is how many topics are asked for at once.
const checkBatch = 512

// tend compares topics with Redis, until the link ends.
func (l *link) tend() {
	ticker := time.NewTicker(l.broker.options.Check)
	defer ticker.Stop()
	backoff := minBackoff
	for {
		var topics []*topic
		due := false
		select {
		case <-l.ctx.Done():
			return
		case <-l.roused:
			topics = l.suspected()
		case <-ticker.C:
			due = true
			l.listen()
			topics = l.quiet()
			l.doubt(topics)
		}
		l.settle(due)
		if l.check(topics, due) {
			backoff = minBackoff
			continue
		}
		if !sleep(l.ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
		wake(l.roused)
	}
}

// suspected takes the topics that may have missed something.
func (l *link) suspected() []*topic {
	l.mu.Lock()
	defer l.mu.Unlock()
	var topics []*topic
	for channel := range l.suspects {
		if t := l.topics[channel]; t != nil {
			topics = append(topics, t)
		}
	}
	clear(l.suspects)
	return topics
}

// all gives the link's topics.
func (l *link) all() []*topic {
	l.mu.Lock()
	defer l.mu.Unlock()
	topics := make([]*topic, 0, len(l.topics))
	for _, t := range l.topics {
		topics = append(topics, t)
	}
	return topics
}

// quiet gives the topics where nothing was heard since the last call. Where
// messages flow, their offsets show what is missing.
func (l *link) quiet() []*topic {
	var topics []*topic
	for _, t := range l.all() {
		if t.quiet() {
			topics = append(topics, t)
		}
	}
	return topics
}

// check compares topics with Redis, and makes those read that are elsewhere. If
// Redis doesn't answer, all of them stay under suspicion, and it reports false. A check
// that is due finds what should have been heard.
func (l *link) check(topics []*topic, due bool) bool {
	known := topics[:0]
	for _, t := range topics {
		if t.isOpen() {
			known = append(known, t)
		} else {
			t.repair() // its first read
		}
	}
	if len(known) > 0 {
		if err := l.lookForGenesis(); err != nil {
			l.suspect(known)
			return false
		}
	}
	for len(known) > 0 {
		batch := known[:min(checkBatch, len(known))]
		heads, err := l.heads(batch)
		if err != nil {
			_ = l.broker.troubles.note(err)
			l.suspect(known)
			return false
		}
		for i, t := range batch {
			t.compare(heads[i], due)
		}
		known = known[len(batch):]
	}
	return true
}

// suspect puts topics under suspicion.
func (l *link) suspect(topics []*topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range topics {
		l.suspects[t.channel] = true
	}
}

func (l *link) heads(topics []*topic) ([]push.Position, error) {
	ctx, cancel := context.WithTimeout(l.ctx, readTimeout)
	defer cancel()
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.name
	}
	return l.broker.port.heads(ctx, names)
}

// lookForGenesis asks for the genesis again: it tells whether topics that aren't in Redis
// are where they were.
func (l *link) lookForGenesis() error {
	ctx, cancel := context.WithTimeout(l.ctx, readTimeout)
	defer cancel()
	_, err := l.broker.loadGenesis(ctx)
	return err
}

// isOpen reports whether the topic's place is known.
func (t *topic) isOpen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.place.IsZero()
}

// listen probes whether what is sent is heard: after a failover a connection can
// be alive and deaf. Then it is made anew. A probe that can't be sent says nothing.
func (l *link) listen() {
	l.mu.Lock()
	p := &l.probe
	if p.heard == p.sent {
		p.missed = 0
	} else {
		p.missed++
	}
	deaf := p.missed >= deafAfter
	p.sent++
	channel, number, connected := p.channel, p.sent, l.line != nil && l.down == nil
	l.mu.Unlock()
	if !connected {
		return
	}
	if deaf {
		l.fell(errDeaf)
		l.renew()
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, readTimeout)
	defer cancel()
	if l.broker.port.notify(ctx, channel, strconv.Itoa(number)) != nil {
		l.mu.Lock()
		l.probe.heard = l.probe.sent
		l.mu.Unlock()
	}
}

var (
	errDeaf    = push.Errorf(push.CodeUnavailable, "messages aren't heard", nil)
	errUnheard = push.Errorf(push.CodeUnavailable, "live messages don't arrive", &refused{answer: errors.New(
		"redisbroker: messages are found by checks and never heard: their publisher sends them elsewhere")})
)

// doubt looks whether what the last check has found was heard since. A link that hears
// its own probes may miss what others send all the same.
func (l *link) doubt(topics []*topic) {
	missed := false
	for _, t := range topics {
		missed = t.unheard() || missed
	}
	l.mu.Lock()
	switch {
	case missed:
		l.live.missed++
	case l.live.heard:
		l.live.missed = 0
	}
	l.live.heard = false
	tell := missed && l.live.missed >= unheardAfter
	l.mu.Unlock()
	if tell {
		_ = l.broker.troubles.note(errUnheard)
	}
}

// settle moves topics whose channel is heard elsewhere now to the link of that
// place, and ends the link if none is left. It looks if that is due or something
// has happened.
func (l *link) settle(due bool) {
	astray, lost := l.unsettled()
	if !due && !lost && len(astray) == 0 {
		return
	}
	if len(astray) > 0 {
		l.broker.port.look(l.ctx)
	}
	for _, t := range l.all() {
		place, err := l.broker.port.place(l.ctx, t.channel)
		switch {
		case err != nil:
			l.mu.Lock()
			maps.Copy(l.astray, astray)
			l.mu.Unlock()
			return
		case place != l.place:
			l.broker.move(t, l, place)
		case astray[t.channel]:
			l.want(t)
		}
	}
	l.broker.retire(l)
}

// unsettled takes what has happened since the last call.
func (l *link) unsettled() (astray map[string]bool, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	astray, lost = l.astray, l.lost
	l.astray, l.lost = map[string]bool{}, false
	return astray, lost
}
