// Package transport serves a hub on one path of a router, with everything that browsers
// and backends use. The router may be chi's or the standard library's:
//
//	r.Mount("/push", transport.Routes(hub))
//	mux.Handle("/push/", transport.Routes(hub))
//
// When the http.Server of these routes shuts down, the hub asks its clients to reconnect
// elsewhere; hub.Shutdown waits for that. The example is a whole program.
//
// docs/protocol.md describes the routes. Packages ws, sse and poll are the transports; package
// protocol has the frames that all of them write.
package transport

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	jsclient "github.com/tidewire/tidewire/js-client"
	"github.com/tidewire/tidewire/middleware"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/poll"
	"github.com/tidewire/tidewire/transport/sse"
	"github.com/tidewire/tidewire/transport/ws"
)

// Options configures [Routes]. The zero value of each field is its production
// default.
type Options struct {
	// PublishKey lets backends publish by POST …/publish, with the header
	// Authorization: Bearer KEY. Empty: nobody may, unless AuthorizePublish says
	// so.
	PublishKey string
	// AuthorizePublish decides who may publish by POST, instead of PublishKey. An
	// error refuses: as the *push.Error that it is, or else with CodeForbidden.
	AuthorizePublish func(r *http.Request, topic string) error
	// MaxPublish is the largest body of a publish, in bytes. Default 64 KiB. The
	// broker has a limit of its own.
	MaxPublish int64

	// Tickets adds POST …/ticket, by which who is known by a header or a cookie gets
	// a secret that opens one connection on any instance, once and within 30 s, as
	// …/ws?ticket=SECRET or …/sse?ticket=SECRET. It is for pages that can send neither
	// a header nor a cookie with a connection. …/poll takes none, as each poll would need
	// another. Off by default: then nothing in a URL says who somebody is. The broker
	// must be a [broker.Store].
	Tickets bool

	// WebSocket, SSE and Poll are the transports, for a program that has made them to
	// publish through them or to configure them. Nil: made with their defaults. Routes
	// panics if one was made for another hub.
	WebSocket *ws.Transport
	SSE       *sse.Transport
	Poll      *poll.Transport
}

const defaultMaxPublish = 64 << 10

// Routes returns the routes of a hub: ws, sse, poll, send, publish, refresh, client.js,
// client.mjs, state.mjs and upload.mjs, and ticket if Options says so. More than one Options panics.
//
// It can be mounted by chi's Mount and by http.ServeMux with a pattern that ends with a
// slash. Any other router has to cut the path of the mount off, as http.StripPrefix does.
func Routes(hub *push.Hub, options ...Options) http.Handler {
	host := session.Of(hub)
	o := optional.One(options)
	if o.WebSocket == nil {
		o.WebSocket = ws.New(hub)
	}
	if o.SSE == nil {
		o.SSE = sse.New(hub)
	}
	if o.Poll == nil {
		o.Poll = poll.New(hub)
	}
	checkHub(host, "WebSocket", o.WebSocket.Host())
	checkHub(host, "SSE", o.SSE.Host())
	checkHub(host, "Poll", o.Poll.Host())
	if o.MaxPublish <= 0 {
		o.MaxPublish = defaultMaxPublish
	}
	if o.AuthorizePublish == nil {
		o.AuthorizePublish = withKey(o.PublishKey)
	}
	var socket, stream, polled http.Handler = o.WebSocket, o.SSE, o.Poll
	if o.Tickets {
		socket, stream, polled = withTickets(host, socket), withTickets(host, stream), withoutTickets(polled)
	}
	pages := middleware.Origins(hub)
	m := &mount{
		nothing: pages(&nothing{host}),
		routes: map[string]http.Handler{
			"client.js":  script(host, jsclient.Script()),
			"client.mjs": script(host, jsclient.Module()),
			"state.mjs":  script(host, jsclient.State()),
			"upload.mjs": script(host, jsclient.Upload()),
			"ws":         socket,
			"sse":        pages(stream),
			"poll":       pages(polled),
			"send":       pages(&sendHandler{host}),
			"publish":    pages(&publishHandler{hub, host, o}),
			"refresh":    pages(&refreshHandler{host}),
		},
	}
	if o.Tickets {
		m.routes["ticket"] = pages(&ticketHandler{host})
	}
	return timeBody(m)
}

// checkHub panics if a transport serves another hub: its clients would see nothing of what is
// published by the other routes, and nobody would know why.
func checkHub(host *session.Host, option string, of *session.Host) {
	if of != host {
		panic("transport.Routes: Options." + option + " was made for another hub; make it with the hub that Routes is given")
	}
}

// withKey lets who knows the key publish. The comparison takes the same time
// whatever is wrong.
func withKey(key string) func(*http.Request, string) error {
	want := sha256.Sum256([]byte(key))
	return func(r *http.Request, _ string) error {
		if key == "" {
			return push.NewError(push.CodeForbidden, "publishing by POST is off: this server has no transport.Options.PublishKey", nil)
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(token))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return push.NewError(push.CodeUnauthenticated, "publishing needs Authorization: Bearer KEY", nil)
		}
		return nil
	}
}
