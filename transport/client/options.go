package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Transport says how a client connects.
type Transport uint8

// The transports.
const (
	// Automatic is a WebSocket, and an event stream where that fails. While an event stream
	// serves, the client tries the WebSocket again after 5 s and then every 5 minutes.
	Automatic Transport = iota
	// WebSocket is a WebSocket alone.
	WebSocket
	// EventStream is an event stream for what comes and a POST for each message that is
	// sent. It carries at most 50 topics; those beyond wait until there is room, and their
	// subscriptions get an event that says so.
	EventStream
)

func (t Transport) String() string {
	switch t {
	case WebSocket:
		return "websocket"
	case EventStream:
		return "event stream"
	default:
		return "automatic"
	}
}

// Options configures a [Client]. The zero value of each field is its production default.
type Options struct {
	// Transport is how to connect. Default [Automatic].
	Transport Transport

	// Header is sent with each request, such as Authorization, Cookie or Origin.
	Header http.Header
	// Credentials returns more headers for one request, such as a token that is still good.
	// It is called before each attempt to connect and before each POST, may be called by many
	// goroutines, and must return when its context ends. The request fails with its error,
	// and is tried again unless that is a [push.Error] whose code is final. When the server
	// doesn't accept the credentials of a connection, the client tries once more with new
	// ones.
	Credentials func(ctx context.Context) (http.Header, error)

	// HTTPClient makes all requests but a WebSocket's, for which the DialContext and
	// TLSClientConfig of its http.Transport are used, and no proxy. Its Timeout doesn't
	// apply to event streams. Unless it has a CheckRedirect, redirects to another origin are
	// refused, since credentials aren't for that. Default: one of its own, as
	// http.DefaultTransport.
	HTTPClient *http.Client

	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger

	// MinBackoff and MaxBackoff bound the wait before an attempt to connect or to send
	// again, which has full jitter and grows with each failure. Default 500 ms and 30 s. A
	// server that asks for more gets it, up to 5 minutes.
	//
	// The backoff of connections starts over when one has lasted for more than 5 s after the
	// server's welcome; one that ends sooner is a failure like an attempt that never got
	// there. The wait is at most MinBackoff plus the time since the first failure: 5.5 s
	// after an outage of 5 s with the defaults.
	MinBackoff, MaxBackoff time.Duration
	// ConnectTimeout is how long an attempt may take until the server's first frame.
	// Default 10 s.
	ConnectTimeout time.Duration
	// SendTimeout is how long Send takes at most, if its context has no deadline. Default
	// 10 s.
	SendTimeout time.Duration

	// MaxFrame is the largest frame to accept, in bytes. A larger one ends the client, since
	// the server would send it again. Default 4 MiB.
	MaxFrame int64
	// Buffer is how many bytes of events wait in one subscription until the client stops
	// reading. One event always fits. Default 256 KiB.
	Buffer int
}

func (o Options) withDefaults() Options {
	setDefault(&o.MinBackoff, minBackoff)
	setDefault(&o.MaxBackoff, maxBackoff)
	setDefault(&o.ConnectTimeout, 10*time.Second)
	setDefault(&o.SendTimeout, 10*time.Second)
	setDefault(&o.MaxFrame, 4<<20)
	setDefault(&o.Buffer, 256<<10)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func setDefault[T int | int64 | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// SubscribeOptions configures a [Subscription].
type SubscribeOptions struct {
	// Since is the cursor to continue from: that of an earlier [Subscription.Cursor] or
	// [Client.Cursor], or one that came with a snapshot, of this topic or of several. Empty:
	// from now on.
	Since string
	// Recent asks for that many of the topic's last messages, before those that follow: at
	// the beginning if there is no cursor, and after each gap, whether the program has had
	// them or not. A server that doesn't offer it sends none. An event stream has one number
	// for all its topics: new topics get the number that they ask for, and those that resume
	// get theirs only if all ask for the same.
	Recent int
}

// parseBase reads the URL of a server's routes.
func parseBase(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch scheme, _, found := strings.Cut(address, "://"); {
	case !found: // 127.0.0.1:8080 can't be parsed, and localhost:8080 has the scheme localhost
		return nil, fmt.Errorf("client: the URL %q has no scheme; begin it with http://, https://, ws:// or wss://", address)
	case err != nil:
		return nil, fmt.Errorf("client: %w", err)
	case u.Scheme == "ws":
		u.Scheme = "http"
	case u.Scheme == "wss":
		u.Scheme = "https"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("client: the URL has the scheme %q; it must be http, https, ws or wss", scheme)
	}
	if u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("client: the URL must have a host, and neither a query nor a fragment")
	}
	return u, nil
}

// ownHTTP returns a client for requests, and whether the caller closes its idle
// connections.
func ownHTTP(given *http.Client) (client *http.Client, own bool) {
	var requests http.Client
	switch transport, ok := http.DefaultTransport.(*http.Transport); {
	case given != nil:
		requests = *given
	case ok:
		requests.Transport, own = transport.Clone(), true
	}
	if requests.CheckRedirect == nil {
		requests.CheckRedirect = stay
	}
	return &requests, own
}

// stay follows redirects within one origin. Credentials aren't for another, and net/http
// keeps none of them back from another port or scheme, and few from another host.
func stay(request *http.Request, via []*http.Request) error {
	first := via[0].URL
	if request.URL.Scheme != first.Scheme || request.URL.Host != first.Host || len(via) >= maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

const maxRedirects = 10
