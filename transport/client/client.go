package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/optional"
)

// ErrClosed is what everything fails with after Close.
var ErrClosed = errors.New("client: closed")

// Client is a connection to a server that comes back by itself. All methods may be called
// by any number of goroutines.
type Client struct {
	// static
	options Options
	backoff backoff
	poster  *poster
	base    *url.URL
	ownHTTP bool

	ctx     context.Context // ends when the client does, with the cause
	stop    context.CancelCauseFunc
	hard    context.Context // ends when Close waits no longer for the server
	cut     context.CancelFunc
	done    chan struct{} // closed when nothing runs any more
	changed chan struct{} // of one: what the connection is to do has changed
	slots   chan struct{} // as many as sends may wait for their answers

	mu            sync.Mutex // guards the rest
	transport     Transport  // of this or of the next attempt
	subscriptions map[string]*Subscription
	number        uint64 // of the last subscription
	sends         []*sending
	request       uint64 // the id of the last request
	lastErr       error  // why there is no connection; nil while there is one, and before the first attempt ends
}

// maxSends is how many messages wait for their answers over one connection.
const maxSends = 100

// New returns a client of the server whose routes are below a URL, such as
// https://example.com/push, and begins to connect. The schemes ws and wss mean http and
// https. New fails only if the URL has another scheme or none, no host, a query or a
// fragment. The caller closes the client. More than one Options panics.
func New(address string, options ...Options) (*Client, error) {
	base, err := parseBase(address)
	if err != nil {
		return nil, err
	}
	o := optional.One(options).withDefaults()
	requests, own := ownHTTP(o.HTTPClient)
	c := &Client{
		options: o, backoff: backoff{o.MinBackoff, o.MaxBackoff},
		poster: &poster{base: base, http: requests}, base: base, ownHTTP: own,
		done: make(chan struct{}), changed: make(chan struct{}, 1), slots: make(chan struct{}, maxSends),
		subscriptions: map[string]*Subscription{},
	}
	c.ctx, c.stop = context.WithCancelCause(context.Background())
	c.hard, c.cut = context.WithCancel(context.Background())
	c.transport = o.Transport
	if c.transport == Automatic {
		c.transport = WebSocket
	}
	go c.run()
	return c, nil
}

// Subscribe follows a topic, as soon as there is a connection, and until the subscription
// is closed. The error is [push.CodeBadRequest] if the topic is none, or is followed
// already, and that of Err if the client has ended. More than one SubscribeOptions panics.
func (c *Client) Subscribe(topic string, options ...SubscribeOptions) (*Subscription, error) {
	o := optional.One(options)
	s := c.newSubscription(topic)
	s.recent = o.Recent
	if o.Since != "" {
		s.cursor = ownPart(o.Since, topic)
		s.queue.locate(s.cursor)
	}
	if err := c.follow(s); err != nil {
		return nil, err
	}
	return s, nil
}

// follow makes a subscription one of the client's.
func (c *Client) follow(s *Subscription) error {
	if err := broker.CheckAnyTopic(s.topic); err != nil {
		return push.AsError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.subscriptions[s.topic] != nil {
		return push.NewError(push.CodeBadRequest, "the client follows this topic already", nil)
	}
	c.number++
	s.number = c.number
	c.subscriptions[s.topic] = s
	signal(c.changed)
	return nil
}

// Cursor returns the cursors of all subscriptions as one, to continue from in another
// process: each after the last event that was taken. One cursor has room for 50 topics. A
// [State] has none: it begins with all its keys.
func (c *Client) Cursor() string {
	var cursors []string
	for _, s := range c.followed() {
		if at := s.Cursor(); s.state == nil && at != "" && !slices.Contains(cursors, at) {
			cursors = append(cursors, at)
		}
	}
	return cursor.Join(cursors)
}

// followed returns the subscriptions, in the order of subscribing.
func (c *Client) followed() []*Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inOrder()
}

// inOrder is followed, called with c.mu held.
func (c *Client) inOrder() []*Subscription {
	all := make([]*Subscription, 0, len(c.subscriptions))
	for _, s := range c.subscriptions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Subscription) int { return cmp.Compare(a.number, b.number) })
	return all
}

// forget ends the following of a topic.
func (c *Client) forget(s *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subscriptions[s.topic] == s {
		delete(c.subscriptions, s.topic)
		signal(c.changed)
	}
}

// Done is closed when the client has ended: by Close, or since the server refuses it for
// good.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client has ended, or is about to: [ErrClosed], or why the server
// refuses it, which is a [push.Error]. It is nil before.
func (c *Client) Err() error { return context.Cause(c.ctx) }

// Close ends the client and all its subscriptions, drops their events, and waits until
// nothing of it runs. A WebSocket is closed with its handshake, for which it waits at most 2
// s, and less if ctx ends before: then the error is its cause.
func (c *Client) Close(ctx context.Context) error {
	c.stop(ErrClosed)
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		c.cut()
		<-c.done
	}
	return err
}

// note keeps why there is no connection, or nil if there is one.
func (c *Client) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastErr = err
}

// finish leaves nothing behind.
func (c *Client) finish() {
	err := context.Cause(c.ctx)
	c.mu.Lock()
	for _, s := range c.subscriptions {
		s.end(err, errors.Is(err, ErrClosed))
	}
	clear(c.subscriptions)
	c.answerAll(err)
	c.mu.Unlock()
	c.cut()
	if c.ownHTTP {
		c.poster.http.CloseIdleConnections()
	}
	close(c.done)
}

// header returns the headers of one request.
func (c *Client) header(ctx context.Context) (http.Header, error) {
	all := c.options.Header.Clone()
	if all == nil {
		all = http.Header{}
	}
	if c.options.Credentials == nil {
		return all, nil
	}
	more, err := c.options.Credentials(ctx)
	for name, values := range more {
		all[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	return all, err
}
