package websocket

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Options configures a [Transport]. The zero value of each field is its
// production default.
type Options struct {
	// Heartbeat is how often the server pings. Default 25 s.
	Heartbeat time.Duration
	// PongTimeout is how long the answer to a ping may take before the client
	// counts as dead. Default 10 s.
	PongTimeout time.Duration
	// WriteTimeout is how long one write may take before the client counts as
	// too slow. Default 5 s.
	WriteTimeout time.Duration
	// AckTimeout is that of [AcceptOptions]. Default 15 s.
	AckTimeout time.Duration
	// MaxFrame is the largest frame from a client, in bytes. Default 64 KiB. The
	// data of a message in it is bounded by push.Options.MaxInbound besides.
	MaxFrame int64
	// Compression offers permessage-deflate (RFC 7692) without context takeover, so
	// that a message is compressed once for all who want it. Off by default: it costs
	// CPU, and a secret compressed next to text of an attacker's choice can be
	// guessed from the length.
	Compression bool
}

// Transport serves WebSockets for a hub: it puts the Tidewire protocol on top
// of [Accept]. It is a [push.Publisher] for the clients connected to it.
type Transport struct {
	hub     *push.Hub
	options Options
	accept  *Acceptor
}

var (
	_ http.Handler   = (*Transport)(nil)
	_ push.Publisher = (*Transport)(nil)
	_ push.Format    = (*Transport)(nil)
)

// New makes the transport. More than one Options panics.
func New(hub *push.Hub, options ...Options) *Transport {
	o := optional.One(options)
	o.Heartbeat = orDefault(max(o.Heartbeat, 0), 25*time.Second)
	o.PongTimeout = orDefault(max(o.PongTimeout, 0), 10*time.Second)
	o.MaxFrame = orDefault(o.MaxFrame, 64<<10)
	compression := CompressionOff
	if o.Compression {
		compression = CompressionNoContextTakeover
	}
	return &Transport{hub: hub, options: o, accept: NewAcceptor(&AcceptOptions{
		Subprotocols:         []string{protocol.Subprotocol},
		CheckOrigin:          checkOrigin(hub.Origins()),
		Compression:          compression,
		CompressionThreshold: compressionThreshold,
		MaxMessage:           o.MaxFrame,
		WriteTimeout:         o.WriteTimeout,
		CloseTimeout:         closeTimeout,
		AckTimeout:           o.AckTimeout,
	})}
}

func checkOrigin(allowed push.Origins) func(*http.Request) error {
	return func(r *http.Request) error {
		if e := allowed.Check(r); e != nil {
			return errors.New(e.Reason)
		}
		return nil
	}
}

// compressionThreshold is the size in bytes of the smallest frame that is compressed.
const compressionThreshold = 256

// closeTimeout is how long a client may take to answer a close frame.
const closeTimeout = 2 * time.Second

// Publish delivers a message to the clients of this transport that follow its
// topic, at once and without storing it; see [push.Hub.Deliver].
func (t *Transport) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	return t.hub.Deliver(m, t, compressing{t})
}

// The heartbeats: one that a page can see, and one that every library answers.
var (
	visiblePing  = textFrame(protocol.Ping())
	protocolPing = &push.Frame{Bytes: AppendPing(nil, nil)}
)

// ServeHTTP accepts a WebSocket and returns; the session then lives until the
// client leaves or the hub ends it. What can be wrong with the request is said
// after the upgrade, because a page can't see the status of a failed one; but
// foreign origins are refused with 403, what Hub.Admit refuses for a limit with 429,
// and while the hub drains or is full the status is 503, so that a balancer can choose
// another instance.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	admission, err := t.hub.Admit(r)
	if err != nil {
		protocol.Refuse(t.hub, w, r, push.AsError(err))
		return
	}
	defer admission.Release()
	protocol.SetHeaders(w.Header())
	c, err := t.accept.Accept(w, r)
	if err != nil {
		if refusal, ok := errors.AsType[*HandshakeError](err); ok { // else the client has left
			t.hub.Refused(r, refusal.asError()) // it has been answered
		}
		return
	}
	identity, err := admission.Identify(r)
	if err != nil {
		t.turnAway(c, r, push.AsError(err))
		return
	}
	follows, e := protocol.Follows(r, maxURLTopics)
	if e == nil && c.Subprotocol() == "" && len(follows) == 0 {
		e = push.Errorf(push.CodeBadRequest, "no topic is named, and without the subprotocol none can follow", nil)
	}
	if e != nil {
		t.turnAway(c, r, e)
		return
	}
	t.open(c, r, push.Client{Admission: admission, Identity: identity}, follows)
}

// maxURLTopics is how many topics a URL may name.
const maxURLTopics = 100

// asError is the refusal as the hub counts it.
func (e *HandshakeError) asError() *push.Error {
	code := push.CodeBadRequest
	if e.Status == http.StatusInternalServerError {
		code = push.CodeInternal
	}
	return push.Errorf(code, e.Reason, e.Err)
}

// turnAway says why, and closes.
func (t *Transport) turnAway(c *Conn, r *http.Request, e *push.Error) {
	t.hub.Refused(r, e)
	sayError(c, e)
	_ = c.Close(StatusCode(e.Code.CloseCode()), e.Reason) // closed either way
}

func sayError(c *Conn, e *push.Error) {
	_ = c.WriteFrames([][]byte{textFrame(protocol.Error(e)).Bytes}) // the close code says it too
}

// open begins the session of an accepted connection, and subscribes to the topics
// of its URL.
func (t *Transport) open(c *Conn, r *http.Request, options push.Client, follows []push.Follow) {
	cl := &client{transport: t, conn: c}
	cl.receiving.Add(1)
	beat := visiblePing
	if cl.plain() {
		beat = protocolPing
	}
	options.Format, options.Conn = t.format(c), cl
	options.Heartbeat, options.Interval = beat, t.options.Heartbeat
	options.Patience = t.options.Heartbeat + t.options.PongTimeout
	if c.Nonblocking() {
		options.Try = cl
	}
	session, err := t.hub.Open(options)
	if err != nil {
		t.turnAway(c, r, push.AsError(err))
		return
	}
	cl.session = session
	cl.follow(follows)
	cl.receive(len(follows) == 0)
}

// closeReason is what stands in the close frame. For a client that is to come
// back it is the delay in milliseconds.
func closeReason(e *push.Error) string {
	if e.Code == push.CodeDraining {
		return strconv.Itoa(int(push.ComeBack().Milliseconds()))
	}
	return e.Reason
}
