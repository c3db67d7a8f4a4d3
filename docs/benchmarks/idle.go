package main

import "time"

// How long a server may put its memory in order. No collection is forced.
const (
	beforeClients = 500 * time.Millisecond
	afterClients  = 5 * time.Second
)

// idle measures what it costs to take clients in, and what they hold while nothing happens.
func (w *workshop) idle(s *server, c setup, settle time.Duration) (figures, error) {
	t, err := w.open(s, c)
	if err != nil {
		return nil, err
	}
	defer t.close()
	time.Sleep(min(beforeClients, settle))
	empty, err := t.rss()
	if err != nil {
		return nil, err
	}
	cpu, err := t.cpu()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := t.connect(); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	if err := t.rest(min(200*time.Millisecond, settle)); err != nil { // some do the rest after their answer
		return nil, err
	}
	after, err := t.cpu()
	if err != nil {
		return nil, err
	}
	if err := t.rest(settle); err != nil {
		return nil, err
	}
	full, err := t.rss()
	if err != nil {
		return nil, err
	}
	if err := t.tryAll(); err != nil { // they were really there
		return nil, err
	}
	clients := float64(t.clients)
	return figures{
		"connect":   micro(after-cpu) / clients,
		"connect-s": took.Seconds(),
		"idle":      float64(full-empty) / clients / 1000,
		"rss":       float64(full) / 1e6,
	}, nil
}

// subscriptions measures what topics cost in memory: all clients with many topics, beside as many with one.
func (w *workshop) subscriptions(s *server, c setup, settle time.Duration) (figures, error) {
	one := c
	one.follows = 1
	few, err := w.idle(s, one, settle)
	if err != nil {
		return nil, err
	}
	many, err := w.idle(s, c, settle)
	if err != nil {
		return nil, err
	}
	more := float64(c.clients * (c.follows - 1))
	return figures{
		"rss":     many["rss"],
		"topic":   (many["rss"] - few["rss"]) * 1e6 / more,
		"connect": (many["connect"] - few["connect"]) / float64(c.follows-1),
	}, nil
}
