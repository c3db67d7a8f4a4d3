// Package ws is the transport over WebSockets: the Tidewire protocol on top of package
// websocket. A client that asks for the subprotocol may subscribe, unsubscribe and send;
// one without it follows the topics of its URL and only receives.
package ws

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/websocket"
)

// Transport serves WebSockets for a hub. It is a [push.Publisher] for the clients
// connected to it.
type Transport struct {
	host     *session.Host
	options  Options
	acceptor *websocket.Acceptor
}

var (
	_ http.Handler        = (*Transport)(nil)
	_ push.Publisher      = (*Transport)(nil)
	_ session.StateFormat = (*Transport)(nil)
)

// New makes the transport. More than one Options panics.
func New(hub *push.Hub, options ...Options) *Transport {
	o := optional.One(options).withDefaults()
	compression := websocket.CompressionOff
	if o.Compression {
		compression = websocket.CompressionNoContextTakeover
	}
	return &Transport{host: session.Of(hub), options: o, acceptor: websocket.NewAcceptor(&websocket.AcceptOptions{
		Subprotocols: []string{protocol.Subprotocol},
		CheckOrigin:  websocket.AnyOrigin, // Host.Admit has checked it
		Refuse: func(w http.ResponseWriter, refusal *websocket.HandshakeError) {
			protocol.WriteJSON(w, refusal.Status, protocol.HTTPError(refusalOf(refusal)))
		},
		Compression:          compression,
		CompressionThreshold: compressionThreshold,
		MaxMessage:           o.MaxFrame,
		WriteTimeout:         o.WriteTimeout,
		CloseTimeout:         closeTimeout,
		AckTimeout:           o.AckTimeout,
		HoldAnswer:           true, // see answerPatience
	})}
}

// closeTimeout is how long a client may take to answer a close frame.
const closeTimeout = 2 * time.Second

// Host returns the host of the hub that the transport was made for. transport.Routes
// compares it.
func (t *Transport) Host() *session.Host { return t.host }

// Publish delivers a message to the clients of this transport that follow its
// topic, at once and without storing it; see [session.Host.Deliver].
func (t *Transport) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	return t.host.Deliver(m, t, compressing{t})
}

// ServeHTTP accepts a WebSocket and returns; the session then lives until the client
// leaves or the hub ends it. Most refusals come after the upgrade, because a page can't
// see the status of a failed handshake. Before it come these: foreign origins with 403,
// what Host.Admit refuses for a limit with 429, and a draining or full hub with 503, so
// that a balancer can choose another instance.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	admission, err := t.host.Admit(r)
	if err != nil {
		protocol.Refuse(t.host, w, r, push.AsError(err))
		return
	}
	defer admission.Release()
	protocol.SetHeaders(w.Header())
	socket, err := t.acceptor.Accept(w, r)
	if err != nil {
		if refusal, ok := errors.AsType[*websocket.HandshakeError](err); ok { // else the client has left
			t.host.Refused(r, refusalOf(refusal)) // it has been answered
		}
		return
	}
	defer answerWithin(answerPatience, socket)()
	identity, err := admission.Identify(r)
	if err != nil {
		t.refuse(socket, r, push.AsError(err))
		return
	}
	follows, e := requested(r, socket.Subprotocol() == "")
	if e != nil {
		t.refuse(socket, r, e)
		return
	}
	t.open(socket, r, session.Client{Transport: "ws", Admission: admission, Identity: identity}, follows)
}

// requested reads which topics the URL of a handshake asks for.
func requested(r *http.Request, plain bool) ([]session.Follow, *push.Error) {
	list, e := protocol.TopicListOf(r)
	if e != nil {
		return nil, e
	}
	follows, e := list.Follows(maxURLTopics)
	switch {
	case e != nil:
		return nil, e
	case plain && len(follows) == 0:
		return nil, push.NewError(push.CodeBadRequest, "no topic is named, and without the subprotocol none can follow", nil)
	case list.Formats() != nil:
		return nil, push.NewError(push.CodeBadRequest, "a WebSocket has one format, so leave format out; format=raw is for the event stream, /sse", nil)
	default:
		return follows, nil
	}
}

// answerPatience is how long the answer to the handshake waits for the welcome, which most
// often follows at once and goes out with it. A slow hook or broker mustn't hold it up.
const answerPatience = 100 * time.Millisecond

// answerWithin has the answer to the handshake sent by itself, unless something is written
// within a time. The function that it returns ends the wait.
func answerWithin(d time.Duration, socket *websocket.Conn) (end func()) {
	sent := make(chan struct{})
	timer := time.AfterFunc(d, func() {
		defer close(sent)
		_ = socket.WriteFrames(nil) // the welcome's write will fail as well
	})
	return func() {
		if !timer.Stop() {
			<-sent
		}
	}
}

// maxURLTopics is how many topics a URL may name.
const maxURLTopics = 100

// refusalOf is the refusal of a handshake as the hub counts it, and a client is told.
func refusalOf(e *websocket.HandshakeError) *push.Error {
	code := push.CodeBadRequest
	if e.Status == http.StatusInternalServerError {
		code = push.CodeInternal
	}
	return push.NewError(code, e.Reason, e.Err)
}

// refuse tells a client why it isn't served, and closes its connection.
func (t *Transport) refuse(socket *websocket.Conn, r *http.Request, e *push.Error) {
	t.host.Refused(r, e)
	writeError(socket, e)
	_ = socket.Close(closeCode(e.Code), e.Reason) // closed either way
}

// open begins the session of an accepted connection, and subscribes to the topics
// of its URL.
func (t *Transport) open(socket *websocket.Conn, r *http.Request, client session.Client, follows []session.Follow) {
	c := &conn{transport: t, socket: socket}
	c.receiving.Add(1)
	client.Format, client.Conn = t.format(socket), c
	client.Heartbeat, client.Interval = c.heartbeat(), t.options.Heartbeat
	client.Patience = t.options.Heartbeat + t.options.PongTimeout
	if socket.Nonblocking() {
		client.Try = c
	}
	s, err := t.host.Open(client)
	if err != nil {
		t.refuse(socket, r, push.AsError(err))
		return
	}
	c.session = s
	c.follow(follows)
	c.receive(len(follows) == 0)
}
