package follow

import (
	"context"
	"maps"
	"strconv"
	"time"
)

// checkBatch is how many topics are asked for at once.
const checkBatch = 512

// runChecks compares topics with the store until the node ends.
func (n *node) runChecks() {
	ticker := time.NewTicker(n.broker.options.Check)
	defer ticker.Stop()
	backoff := minBackoff
	for {
		var topics []*topic
		due := false
		select {
		case <-n.ctx.Done():
			return
		case <-n.suspect:
			topics = n.takeSuspects()
		case <-ticker.C:
			due = true
			n.sendProbe()
			topics = n.quietTopics()
			n.checkDelivery(topics)
		}
		n.followMoves(due)
		if n.check(topics, due) {
			backoff = minBackoff
			continue
		}
		if !sleep(n.ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
		wake(n.suspect)
	}
}

// takeSuspects takes the topics that may have missed something.
func (n *node) takeSuspects() []*topic {
	n.mu.Lock()
	defer n.mu.Unlock()
	var topics []*topic
	for channel := range n.suspects {
		if t := n.topics[channel]; t != nil {
			topics = append(topics, t)
		}
	}
	clear(n.suspects)
	return topics
}

// addSuspects puts topics back that couldn't be checked.
func (n *node) addSuspects(topics []*topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range topics {
		n.suspects[t.channel] = true
	}
}

// quietTopics returns the topics where nothing was heard since the last call. Where
// messages flow, their offsets show what is missing.
func (n *node) quietTopics() []*topic {
	var topics []*topic
	for _, t := range n.all() {
		if t.quiet() {
			topics = append(topics, t)
		}
	}
	return topics
}

// check compares topics with the store, and makes those read that are elsewhere. If the
// store doesn't answer, all of them remain suspects, and it reports false. What a check
// finds that is due should have been heard.
func (n *node) check(topics []*topic, due bool) bool {
	known := topics[:0]
	for _, t := range topics {
		if t.isOpen() {
			known = append(known, t)
		} else {
			t.repair() // its first read
		}
	}
	if len(known) > 0 {
		if err := n.reloadGenesis(); err != nil {
			n.addSuspects(known)
			return false
		}
	}
	for len(known) > 0 {
		batch := known[:min(checkBatch, len(known))]
		heads, err := n.heads(batch)
		if err != nil {
			_ = n.broker.problems.note(err)
			n.addSuspects(known)
			return false
		}
		for i, t := range batch {
			t.compare(heads[i], due)
		}
		known = known[len(batch):]
	}
	return true
}

func (n *node) heads(topics []*topic) ([]Head, error) {
	ctx, cancel := context.WithTimeout(n.ctx, readTimeout)
	defer cancel()
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.name
	}
	return n.broker.store.Heads(ctx, names)
}

// reloadGenesis asks for the genesis again: it says whether topics that aren't stored are
// where they were.
func (n *node) reloadGenesis() error {
	ctx, cancel := context.WithTimeout(n.ctx, readTimeout)
	defer cancel()
	_, err := n.broker.loadGenesis(ctx)
	return err
}

// sendProbe finds out whether what is sent is heard: after a failover a connection can be
// alive and silent. Then another is made. A probe that can't be sent says nothing.
func (n *node) sendProbe() {
	n.mu.Lock()
	p := &n.probe
	if p.heard == p.sent {
		p.missed = 0
	} else {
		p.missed++
	}
	silent := p.missed >= silentAfter
	p.sent++
	p.begun = time.Now()
	channel, number, connected := p.channel, p.sent, n.subscriber != nil && n.down == nil
	n.mu.Unlock()
	if !connected {
		return
	}
	if silent {
		n.failed(errSilent)
		n.disconnect()
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, readTimeout)
	defer cancel()
	if n.broker.store.Notify(ctx, channel, strconv.Itoa(number)) != nil {
		n.mu.Lock()
		n.probe.heard = n.probe.sent
		n.mu.Unlock()
	}
}

// checkDelivery sees whether what the last check found was heard since. A connection that
// hears its own probes may miss what others send all the same.
func (n *node) checkDelivery(topics []*topic) {
	missed := false
	for _, t := range topics {
		missed = t.unheard() || missed
	}
	n.mu.Lock()
	switch {
	case missed:
		n.delivery.missed++
	case n.delivery.heard:
		n.delivery.missed = 0
	}
	n.delivery.heard = false
	report := missed && n.delivery.missed >= unheardAfter
	n.mu.Unlock()
	if report {
		_ = n.broker.problems.note(errUnheard)
	}
}

// followMoves puts topics whose channel has moved on their new node, and ends this one if
// none is left. It looks where channels are if that is due or something has happened.
func (n *node) followMoves(due bool) {
	moved, dropped := n.takeMoved()
	if !due && !dropped && len(moved) == 0 {
		return
	}
	if len(moved) > 0 {
		n.broker.store.Reload(n.ctx)
	}
	for _, t := range n.all() {
		name, err := n.broker.store.Node(n.ctx, t.channel)
		switch {
		case err != nil:
			n.mu.Lock()
			maps.Copy(n.moved, moved)
			n.mu.Unlock()
			return
		case name != n.name:
			n.broker.move(t, n, name)
		case moved[t.channel]:
			n.add(t)
		}
	}
	n.broker.retire(n)
}

// takeMoved takes what has happened since the last call.
func (n *node) takeMoved() (moved map[string]bool, dropped bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	moved, dropped = n.moved, n.dropped
	n.moved, n.dropped = map[string]bool{}, false
	return moved, dropped
}
