package session

import (
	"context"
	"errors"
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
	p.running = len(p.rooms) > 0
	return !p.running
}

// tell brings the broker up to date. It reports whether all is told.
func (p *presence) tell() bool {
	var calls []func()
	for _, c := range p.changes() {
		if len(c.left) > 0 {
			calls = append(calls, func() { p.settle(c.room, c.left, p.tellLeft(c.room, c.left)) })
		}
		for _, key := range c.joined {
			calls = append(calls, func() { p.settle(c.room, []string{key}, p.tellJoined(c.room, key)) })
		}
	}
	together(calls)
	p.mu.Lock()
	defer p.mu.Unlock()
	all := !p.behind
	p.behind = false
	return all
}

// together makes calls, a bounded number of them at the same time: one after the other, those
// for thousands of rooms would take longer than a member stays that isn't renewed.
func together(calls []func()) {
	var wait sync.WaitGroup
	free := make(chan struct{}, presenceCalls)
	for _, call := range calls {
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			call()
		})
	}
	wait.Wait()
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
	for r := range p.changed {
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
				p.remove(r, key)
			}
		}
		clear(r.changed)
		r.full = false
		if len(c.joined)+len(c.left) > 0 {
			all = append(all, c)
		}
	}
	clear(p.changed)
	return all
}

// remove forgets a member of whom the broker needn't be told any more. Called with p.mu held.
func (p *presence) remove(r *room, key string) {
	delete(r.members, key)
	if len(r.members) == 0 {
		delete(p.rooms, r.of)
	}
}

// tellLeft returns those that have left their grace.
func (p *presence) tellLeft(r *room, keys []string) error {
	_, err := p.renewAll(r.topic, keys, memberGrace)
	if err != nil && !p.host.isDraining() { // else they end with their lease
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		m := r.members[key]
		m.told = false
		if m.connections == 0 {
			p.remove(r, key)
		} else {
			p.note(r, key) // it has come back
		}
	}
	return nil
}

// tellJoined tells of a member that has come. One that is there already, because another
// instance has it or its grace isn't over, stays as it is.
func (p *presence) tellJoined(r *room, key string) error {
	p.mu.Lock()
	m, full := r.members[key], r.full
	p.mu.Unlock()
	if full {
		return errRoomFull
	}
	_, err := p.host.change(push.Message{
		Topic: r.topic, Key: key, Op: broker.OpSet, Data: m.value, Encoding: push.EncodingJSON, TTL: memberLease, IfAbsent: true,
	})
	if errors.Is(err, push.CodeConflict) {
		var gone []string
		gone, err = p.renewAll(r.topic, []string{key}, memberLease)
		if err == nil && len(gone) > 0 {
			err = push.CodeConflict // it has just ended; once more
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r.full = r.full || errors.Is(err, push.CodeLimitReached)
	if err != nil {
		return err
	}
	m.told = true
	if m.connections == 0 {
		p.note(r, key)
	}
	return nil
}

var errRoomFull = push.NewError(push.CodeLimitReached, "a topic has at most 10,000 members", nil)

// settle has what the broker didn't take tried again.
func (p *presence) settle(r *room, keys []string, err error) {
	if err == nil || p.host.isDraining() {
		return
	}
	p.host.warnings.log("push: who follows a topic can't be told", "error", shortened(err))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind, p.changed[r] = true, true
	for _, key := range keys {
		r.changed[key] = true
	}
}

// renew renews all members. Those that the broker has lost are told again.
func (p *presence) renew() {
	var calls []func()
	for _, c := range p.present() {
		calls = append(calls, func() { p.renewRoom(c.room, c.joined) })
	}
	together(calls)
}

func (p *presence) renewRoom(r *room, keys []string) {
	gone, err := p.renewAll(r.topic, keys, memberLease)
	if err != nil {
		p.host.warnings.log("push: who follows a topic can't be renewed", "error", shortened(err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range gone {
		if m := r.members[key]; m != nil {
			m.told = false
			r.changed[key], p.changed[r] = true, true
		}
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
