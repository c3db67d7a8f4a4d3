package follow

// This file is a node's subscriber connection: when it is made and closed, and what it
// subscribes to.

// closeAtEnd closes the connection when the node ends, which ends receive. A connection
// that is being made may take its time, so nobody else waits for it.
func (n *node) closeAtEnd() {
	<-n.ctx.Done()
	n.disconnect()
}

// connect returns the connection, which it makes if there is none. Only receive calls it.
func (n *node) connect() (Subscriber, error) {
	made, channel := n.connected()
	if made != nil {
		return made, nil
	}
	made, err := n.broker.store.Subscriber(n.ctx, channel)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subscriber = made
	n.delivery = delivery{}
	n.probe = probe{channel: n.broker.store.ProbeChannel(channel, n.broker.id)}
	n.changes[n.probe.channel] = true
	for channel := range n.topics {
		n.changes[channel] = true
	}
	wake(n.changed)
	return made, nil
}

// connected returns the connection if there is one, and otherwise a channel to make it
// for.
func (n *node) connected() (made Subscriber, channel string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.subscriber != nil {
		return n.subscriber, ""
	}
	for channel := range n.topics {
		return nil, channel
	}
	return nil, ""
}

// disconnect closes the connection; receive makes another, subscribed to all channels.
func (n *node) disconnect() {
	n.mu.Lock()
	old := n.subscriber
	n.subscriber = nil
	clear(n.changes)
	clear(n.leaving)
	n.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// add subscribes to a topic, without waiting for the store; the last add or remove
// counts.
func (n *node) add(t *topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.topics[t.channel] = t
	// A channel that is subscribed to already is confirmed again, which makes the topic read.
	n.changes[t.channel] = true
	wake(n.changed)
}

// remove unsubscribes from a topic.
func (n *node) remove(t *topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.topics[t.channel] != t {
		return
	}
	delete(n.topics, t.channel)
	n.changes[t.channel] = false
	wake(n.changed)
}

// updateSubscriptions subscribes to what is wanted and unsubscribes from what isn't, until
// the node ends.
func (n *node) updateSubscriptions() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.changed:
		}
		subscriber, add, remove := n.takeChanges()
		if subscriber == nil {
			continue
		}
		// An error shows in receive, which then starts anew.
		if len(remove) > 0 {
			_ = subscriber.Unsubscribe(n.ctx, remove...)
		}
		if len(add) > 0 {
			_ = subscriber.Subscribe(n.ctx, add...)
		}
	}
}

// takeChanges takes the changes of which the store is to learn.
func (n *node) takeChanges() (to Subscriber, add, remove []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.subscriber == nil {
		return nil, nil, nil // the next connection begins with all that is wanted
	}
	for channel, wanted := range n.changes {
		if wanted {
			add = append(add, channel)
		} else {
			remove = append(remove, channel)
			n.leaving[channel]++
		}
	}
	clear(n.changes)
	return n.subscriber, add, remove
}
