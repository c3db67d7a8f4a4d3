package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// This file is the goroutine of presence, which calls the broker.

// run tells what has changed, and renews what hasn't, as long as there are members.
func (p *presence) run() {
	renewal := time.NewTicker(memberRenewal)
	defer renewal.Stop()
	var retry <-chan time.Time
	for {
		select {
		case <-p.wake:
		case <-retry:
		case <-renewal.C:
			p.renew()
		}
		retry = nil
		if !p.tell() {
			retry = time.After(presenceRetry)
		}
		if p.ended() {
			return
		}
	}
}

// ended reports whether nobody is left, and nothing to tell.
func (p *presence) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, r := range p.rooms {
		if len(r.members) == 0 {
			delete(p.rooms, topic)
		}
	}
	p.running = len(p.rooms) > 0
	return !p.running
}

// tell brings the broker up to date. It reports whether all is told.
func (p *presence) tell() bool {
	all := true
	for _, c := range p.changes() {
		all = p.tellLeft(c) && all
		all = p.tellJoined(c) && all
	}
	return all
}

// roomChange is what is to be told of a room.
type roomChange struct {
	room         *room
	joined, left []string
}

// changes takes what is to be told.
func (p *presence) changes() (all []roomChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rooms {
		c := roomChange{room: r}
		for key := range r.changed {
			m := r.members[key]
			switch {
			case m == nil:
			case m.connections > 0 && !m.told:
				c.joined = append(c.joined, key)
			case m.connections == 0 && m.told:
				c.left = append(c.left, key)
			case m.connections == 0:
				delete(r.members, key)
			}
		}
		clear(r.changed)
		if len(c.joined)+len(c.left) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// tellLeft returns those that have left their grace.
func (p *presence) tellLeft(c roomChange) bool {
	if len(c.left) == 0 {
		return true
	}
	_, err := p.renewAll(c.room.topic, c.left, memberGrace)
	if err != nil && !p.host.isDraining() { // else they end with their lease
		p.failed(c.room, c.left, err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range c.left {
		m := c.room.members[key]
		m.told = false
		if m.connections == 0 {
			delete(c.room.members, key)
		} else {
			p.note(c.room, key) // it has come back
		}
	}
	return true
}

// tellJoined tells of those that have come, many at once.
func (p *presence) tellJoined(c roomChange) bool {
	var failed []string
	var failure error
	for keys := range slices.Chunk(c.joined, membersAtOnce) {
		errs := make([]error, len(keys))
		var wait sync.WaitGroup
		for i, key := range keys {
			wait.Go(func() { errs[i] = p.tellOne(c.room, key) })
		}
		wait.Wait()
		for i, err := range errs {
			if err != nil {
				failed, failure = append(failed, keys[i]), err
			}
		}
	}
	if failure != nil && !p.host.isDraining() {
		p.failed(c.room, failed, failure)
		return false
	}
	return true
}

// tellOne tells of a member that has come. One that is there already, because another
// instance has it or its grace isn't over, stays as it is.
func (p *presence) tellOne(r *room, key string) error {
	p.mu.Lock()
	m := r.members[key]
	value := m.value
	p.mu.Unlock()
	_, err := p.host.change(push.Message{
		Topic: r.topic, Key: key, Op: broker.OpSet, Data: value, Encoding: push.EncodingJSON, TTL: memberLease, IfAbsent: true,
	})
	if errors.Is(err, push.CodeConflict) {
		var gone []string
		gone, err = p.renewAll(r.topic, []string{key}, memberLease)
		if err == nil && len(gone) > 0 {
			err = push.CodeConflict // it has just ended; once more
		}
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m.told = true
	if m.connections == 0 {
		p.note(r, key)
	}
	return nil
}

// failed has what the broker didn't take tried again.
func (p *presence) failed(r *room, keys []string, err error) {
	p.host.warnings.log("push: who follows a topic can't be told", "error", shortened(err))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		r.changed[key] = true
	}
}

// renew renews all members. Those that the broker has lost are told again.
func (p *presence) renew() {
	for _, c := range p.present() {
		gone, err := p.renewAll(c.room.topic, c.joined, memberLease)
		if err != nil {
			p.host.warnings.log("push: who follows a topic can't be renewed", "error", shortened(err))
			continue
		}
		p.mu.Lock()
		for _, key := range gone {
			if m := c.room.members[key]; m != nil {
				m.told = false
				c.room.changed[key] = true
			}
		}
		p.mu.Unlock()
	}
}

// present returns all that the broker has been told of.
func (p *presence) present() (all []roomChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rooms {
		c := roomChange{room: r}
		for key, m := range r.members {
			if m.connections > 0 && m.told {
				c.joined = append(c.joined, key)
			}
		}
		if len(c.joined) > 0 {
			all = append(all, c)
		}
	}
	return all
}

func (p *presence) renewAll(topic string, keys []string, ttl time.Duration) (gone []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.host.options.BrokerTimeout)
	defer cancel()
	return p.host.states.Renew(ctx, topic, keys, ttl)
}

// change changes a state of the hubs' own.
func (h *Host) change(m push.Message) (push.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.options.BrokerTimeout)
	defer cancel()
	return h.hub.PublishReserved(ctx, m)
}

func (h *Host) isDraining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}
