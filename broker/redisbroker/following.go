package redisbroker

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
	place, err := b.port.place(ctx, b.options.channel(name))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	t := b.topics[name]
	if t == nil {
		t = newTopic(b, name)
		b.topics[name] = t
		b.witnesses.follow(name)
		b.hear(t, place)
	}
	t.followers++
	return t, nil
}

// unfollow counts one follower less, and stops to listen after the last.
func (b *Broker) unfollow(t *topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.followers--
	if t.followers == 0 && b.topics[t.name] == t {
		delete(b.topics, t.name)
		b.witnesses.unfollow(t.name)
		t.link.unwant(t)
	}
}

// follows reports whether somebody still follows the topic.
func (b *Broker) follows(t *topic) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics[t.name] == t
}

// hear puts a topic on the link of a place, which begins if there is none. Called
// with b.mu held, and not after Close.
func (b *Broker) hear(t *topic, place string) {
	t.link = b.links[place]
	if t.link != nil {
		t.link.want(t)
		return
	}
	l := newLink(b, place)
	b.links[place], t.link = l, l
	l.want(t) // before it connects: on a Cluster the topic tells where to
	b.work.Go(l.read)
	b.work.Go(l.tell)
	b.work.Go(l.tend)
	b.work.Go(l.hangUp)
}

// move makes a topic heard at another place.
func (b *Broker) move(t *topic, from *link, place string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && b.topics[t.name] == t && t.link == from {
		from.unwant(t)
		b.hear(t, place)
	}
}

// retire ends a link on which nothing is heard any more. That of the only place
// there is stays.
func (b *Broker) retire(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.place != "" && b.links[l.place] == l && l.isIdle() {
		delete(b.links, l.place)
		l.cancel()
	}
}
