package pushtest

import (
	"net/http"
	"sync/atomic"

	"github.com/tidewire/tidewire/push"
)

// Option says how a client connects: a [Transport], [As], [Header], [Cookie], [Through], [Topic].
type Option interface{ apply(d *dialing) }

// dialing is how a client connects.
type dialing struct {
	transport Transport
	header    http.Header
	identity  *identity
	through   *mounted
	topic     string // for CheckMount
}

// identity is who a client is, by As.
type identity struct {
	push.Identity
	used atomic.Bool // the hub has asked for it
}

// mounted is where a hub's routes are.
type mounted struct {
	handler  http.Handler
	path     string
	listener *listener // nil until the handler is served
}

func newDialing(options []Option) *dialing {
	d := &dialing{header: http.Header{"Origin": {"http://" + host}}}
	for _, o := range options {
		o.apply(d)
	}
	return d
}

// host is that of the pages that clients seem to be of.
const host = "localhost"

type option func(d *dialing)

func (o option) apply(d *dialing) { o(d) }

// Transport is how a client connects. It is an [Option]; the default is WebSocket.
type Transport uint8

// The transports.
const (
	WebSocket Transport = iota
	EventStream
	Poll
)

// Transports has all of them, for a test of each.
var Transports = [...]Transport{WebSocket, EventStream, Poll}

func (t Transport) apply(d *dialing) { d.transport = t }

// String returns the name, which is good for that of a subtest.
func (t Transport) String() string {
	return [...]string{"WebSocket", "EventStream", "Poll"}[t]
}

// As makes the client one whom the application knows: the hub takes the identity without
// asking [push.Options.Identify]. The hub is one of [NewHub], or has the Identify that
// [Identify] returns. What middleware before it knows is not changed; for that there are
// [Header] and [Cookie].
func As(id push.Identity) Option {
	return option(func(d *dialing) { d.identity = &identity{Identity: id} })
}

// Header adds a header to all requests of the client. Origin, which is that of a page of the
// same host otherwise, is replaced, and left out if the value is empty.
func Header(name, value string) Option {
	return option(func(d *dialing) {
		switch {
		case http.CanonicalHeaderKey(name) != "Origin":
			d.header.Add(name, value)
		case value == "":
			d.header.Del(name)
		default:
			d.header.Set(name, value)
		}
	})
}

// Cookie adds a cookie to all requests of the client.
func Cookie(name, value string) Option {
	cookie := http.Cookie{Name: name, Value: value} //nolint:gosec // a client sends no attributes
	return Header("Cookie", cookie.String())
}

// Through has a client of [Hub.Client] come by the application's own handler, router and
// middleware included, which has the hub's routes below a path such as /push.
func Through(handler http.Handler, path string) Option {
	return option(func(d *dialing) { d.through = &mounted{handler: handler, path: path} })
}

// Topic names a topic for [CheckMount] that the client may follow.
func Topic(topic string) Option { return option(func(d *dialing) { d.topic = topic }) }
