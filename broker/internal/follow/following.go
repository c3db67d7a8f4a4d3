package follow

import "context"

// start runs f until it returns, unless the broker is closed, which it reports.
func (b *Broker) start(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.work.Go(f)
	return true
}

// follow counts one more follower of a topic, and begins to listen for the first.
func (b *Broker) follow(ctx context.Context, name string) (*topic, error) {
	nodeName, err := b.store.Node(ctx, b.store.Channel(name))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	t := b.topics[name]
	if t == nil {
		t = newTopic(b, name)
		b.topics[name] = t
		b.marks.follow(name)
		b.listen(t, nodeName)
	}
	t.followers++
	return t, nil
}

// unfollow counts one follower less, and stops listening after the last.
func (b *Broker) unfollow(t *topic) {
	if b.isLast(t) {
		t.stopExpiry()
	}
}

// isLast counts one follower less, and reports whether it was the last.
func (b *Broker) isLast(t *topic) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.followers--
	if t.followers > 0 || b.topics[t.name] != t {
		return false
	}
	delete(b.topics, t.name)
	b.marks.unfollow(t.name)
	t.node.remove(t)
	return true
}

// follows reports whether somebody still follows the topic.
func (b *Broker) follows(t *topic) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics[t.name] == t
}

// listen puts a topic on a node, which starts if it is new. Called with b.mu held, and
// not after Close.
func (b *Broker) listen(t *topic, nodeName string) {
	t.node = b.nodes[nodeName]
	if t.node != nil {
		t.node.add(t)
		return
	}
	n := newNode(b, nodeName)
	b.nodes[nodeName], t.node = n, n
	n.add(t) // before it connects: the topic's channel tells the store where to
	b.work.Go(n.receive)
	b.work.Go(n.updateSubscriptions)
	b.work.Go(n.runChecks)
	b.work.Go(n.closeAtEnd)
}

// move puts a topic on another node.
func (b *Broker) move(t *topic, from *node, to string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && b.topics[t.name] == t && t.node == from {
		from.remove(t)
		b.listen(t, to)
	}
}

// retire ends a node that has no topic any more. The only node of a store stays.
func (b *Broker) retire(n *node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.name != "" && b.nodes[n.name] == n && n.isIdle() {
		delete(b.nodes, n.name)
		n.cancel()
	}
}
