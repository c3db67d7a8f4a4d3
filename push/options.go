package push

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/tidewire/tidewire/push/optional"
)

// Entries of Options.Origins.
const (
	// AnyOrigin allows every page on the web to connect with its visitors' cookies. It is
	// for public data only: topics that anyone may follow, on a server that knows nobody
	// by a cookie.
	AnyOrigin = "*"
	// NoOrigin lets clients without an Origin header bring credentials of the kind that
	// browsers send by themselves. It is for programs that sign in with a cookie, HTTP
	// authentication or a TLS certificate; those with a bearer token, and those without
	// credentials, need no entry.
	NoOrigin = "no-origin"
)

// Options configures a [Hub]. The zero value of each field is its production
// default. The zero Options refuses every client, because nobody said who may.
type Options struct {
	// Authorize answers whether a client may do what it wants: nil is yes. An error
	// refuses: as the *Error that it is, or else with CodeForbidden. It is asked on every
	// subscribe, every resume and every message from a client, and again every Recheck if
	// that is set, by many goroutines at once, and has AccessTimeout to answer. Nil
	// refuses everybody; [Anyone] is for public topics, [Rules] for rights by patterns.
	Authorize func(ctx context.Context, a Access) error
	// Identify finds who makes a request, from a cookie or a header. It is called once
	// for each connection and each POST, after the origin was checked, and has
	// AccessTimeout to answer. An error refuses the client: as the *Error that it is, or
	// else with CodeUnauthenticated. Nil makes every client anonymous.
	Identify func(r *http.Request) (Identity, error)
	// DecodeClaims gives Identity.Claims their type again, from the JSON that they
	// become on their way to another instance, which is that of encoding/json. Nil is
	// for claims that need no such thing: nil, string, float64, bool, and
	// map[string]any and []any of these. Others then get no ticket and can't be
	// refreshed through another instance, which is logged.
	DecodeClaims func(json []byte) (any, error)
	// Receive handles a message from a client, however it came, after Authorize said yes.
	// Its reply reaches the sender. An error does too, as the *Error that it is, or else
	// as CodeInternal. Messages of one WebSocket are handled one after the other; others
	// run side by side. The context ends with the sender's connection, and Receive must
	// then return. Nil refuses messages from clients.
	Receive func(ctx context.Context, in Inbound) (Reply, error)
	// Presence are patterns, as in [Rule], of topics whose members are kept: who follows
	// them, over all instances. They are the keys of a state topic of the hubs' own, for
	// Hub.Members and for clients that Authorize allows ActionMembers. A member is a user,
	// or one connection of somebody anonymous that doesn't poll. It is there from its first
	// connection until five seconds after its last, or for 11 s at most if the instance dies. A
	// topic has at most 10,000 members that are told. Default none; the broker must be a
	// [StateBroker], else New panics, as it does if a pattern is malformed.
	Presence []string
	// Member says what the other members are told of one besides its name: anything that
	// becomes at most 1 KiB of JSON. It is called when a member comes, and must return soon.
	// Nil says nothing.
	Member func(id Identity) any
	// Connected and Disconnected are called when a connection has been let in and when it has
	// ended, Followed and Left when a client begins and ends to follow a topic: for one
	// connection in this order, for several at once. The session names the connection,
	// uniquely over all instances. The reason is nil if the client has left, and CodeDraining
	// if it was asked to come back, by Hub.Disconnect too. They only watch, and must return
	// soon; whoever wants to keep a client out has Identify and Authorize. Nil watches nothing.
	Connected    func(id Identity, session string)
	Disconnected func(id Identity, session string, reason error, lasted time.Duration)
	Followed     func(id Identity, session, topic string)
	Left         func(id Identity, session, topic string)
	// Origins are the web pages that may connect, beside those of the same host, by the
	// Origin header that every browser sends with a WebSocket handshake, a POST and a
	// cross-site fetch (RFC 6454, RFC 6455 section 10.2). Each entry is one origin as a
	// browser writes it, such as "https://app.example.com" or "http://localhost:5173",
	// or [AnyOrigin] or [NoOrigin]. There are no patterns: what isn't listed is refused. An
	// entry that no browser writes is logged.
	Origins []string

	// Proxies are the addresses of the proxies in front of this server, whose
	// X-Forwarded-For is believed: a client's address is the last one there that isn't
	// itself listed. By default nobody is believed. List only what appends the address
	// that it sees to the header, or sets it.
	Proxies []netip.Prefix
	// Limits bound what clients may do together, and how fast.
	Limits Limits

	// QueueMessages and QueueBytes bound what waits for one client to read it. Past them
	// the client is cut with CodeSlowConsumer, and comes back with its cursor. Default
	// 1,024 frames and 1 MiB, negative is no bound; one frame always fits.
	QueueMessages, QueueBytes int
	// ReplayMessages and ReplayBytes bound what one client gets of one topic when it comes
	// back; a client that missed more gets a gap. Default 1,000 messages and 1 MiB,
	// negative is no bound.
	ReplayMessages, ReplayBytes int
	// MaxTopics is how many topics one connection may follow. Default 100.
	MaxTopics int
	// MaxInbound is the largest message from a client, in bytes of data.
	// Default 16 KiB.
	MaxInbound int

	// AccessTimeout is how long Identify and Authorize may take. Default 5 s.
	AccessTimeout time.Duration
	// Recheck is how often Authorize is asked again (with ActionFollow, or ActionMembers) about each
	// topic that a connected client follows: after this time and up to a tenth more,
	// and about a few clients at a time. A refusal takes the topic away: the client
	// is asked to come back with its cursor, goes on with its other topics, and is
	// refused this one. An answer that may be another one later, such as a timeout
	// or CodeUnavailable, changes nothing, so an Authorize that can't know must not
	// return just any error, which is a refusal. Default none, as is negative: then
	// rights are asked when a client subscribes, resumes or sends.
	Recheck time.Duration
	// BrokerTimeout bounds each call of the broker that has no earlier
	// deadline. Default 3 s.
	BrokerTimeout time.Duration
	// DrainWindow is the longest time over which Shutdown spreads the
	// farewells. They leave at 500 a second, or faster if the window would be
	// too short for that. Default 20 s.
	DrainWindow time.Duration

	// Tracer follows messages through publishing and delivery. Nil traces nothing.
	Tracer Tracer
	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.QueueMessages = optional.Bound(o.QueueMessages, 1024)
	o.QueueBytes = optional.Bound(o.QueueBytes, 1<<20)
	o.ReplayMessages = optional.Bound(o.ReplayMessages, 1000)
	o.ReplayBytes = optional.Bound(o.ReplayBytes, 1<<20)
	o.MaxTopics = optional.Bound(o.MaxTopics, 100)
	o.MaxInbound = optional.Bound(o.MaxInbound, 16<<10)
	o.AccessTimeout = optional.Bound(o.AccessTimeout, 5*time.Second)
	o.BrokerTimeout = optional.Bound(o.BrokerTimeout, 3*time.Second)
	o.DrainWindow = optional.Bound(o.DrainWindow, 20*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
