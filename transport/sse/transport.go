// Package sse is the transport over event streams (server-sent events of the WHATWG HTML
// standard). A stock EventSource and curl can read them, and our own client does where a
// WebSocket can't get through. Every event has the cursor of the whole stream as its id, so
// Last-Event-ID resumes the stream on any instance. With format=raw in the URL the data of
// a message's event is the payload itself, for pages that swap fragments of HTML. A client
// that makes its requests itself may POST what it asks for, as a form: then there may be as
// many topics as on a WebSocket, and there are no ids, as each frame says how the cursor moves.
package sse

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/optional"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Transport serves event streams for a hub. It is a [push.Publisher] for the
// clients connected to it.
type Transport struct {
	host     *session.Host
	options  Options
	watchdog *watchdog
}

var (
	_ http.Handler        = (*Transport)(nil)
	_ push.Publisher      = (*Transport)(nil)
	_ session.StateFormat = (*Transport)(nil)
)

// New makes the transport. More than one Options panics.
func New(hub *push.Hub, options ...Options) *Transport {
	o := optional.One(options).withDefaults()
	return &Transport{host: session.Of(hub), options: o, watchdog: newWatchdog(o.WriteTimeout)}
}

// Host returns the host of the hub that the transport was made for. transport.Routes
// compares it.
func (t *Transport) Host() *session.Host { return t.host }

// Publish delivers a message to the clients of this transport that follow its
// topic, at once and without storing it; see [session.Host.Deliver].
func (t *Transport) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	return t.host.Deliver(m, t, raw{t})
}

// ServeHTTP streams the topics of the URL, or of a POST's body, until the client leaves or
// the hub ends the session. Over HTTP/1 it takes the connection out of the server's hands and
// returns, as a WebSocket's handler does; else, and where a middleware hides the connection,
// it returns when the stream has ended, which is just before the request's deadline if a
// middleware has set one.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(t.host, w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	if r.Method != http.MethodPost && r.ContentLength != 0 {
		protocol.Refuse(t.host, w, r, push.NewError(push.CodeBadRequest, "a request for a stream has no body, but by POST", nil))
		return
	}
	if !accepts(r) {
		protocol.RefuseAs(t.host, w, r, http.StatusNotAcceptable, push.NewError(push.CodeBadRequest, "this is a text/event-stream", nil))
		return
	}
	if !canFlush(w) {
		protocol.Refuse(t.host, w, r, push.NewError(push.CodeInternal,
			fmt.Sprintf("a middleware hides http.Flusher, so nothing can be streamed: its %T has neither Flush nor Unwrap", w), nil))
		return
	}
	admission, err := t.host.Reserve(r)
	if err != nil {
		protocol.Refuse(t.host, w, r, push.AsError(err))
		return
	}
	defer admission.Release()
	if err := t.serveAdmitted(w, r, admission); err != nil {
		protocol.Refuse(t.host, w, r, push.AsError(err))
	}
}

// serveAdmitted serves a client that holds a place. An error refuses it.
func (t *Transport) serveAdmitted(w http.ResponseWriter, r *http.Request, admission *session.Admission) error {
	list, e := protocol.ReadTopicList(w, r, "topic", "state", "since", "recent", "v", "format")
	if e != nil {
		return e
	}
	if err := admission.Enter(false); err != nil {
		return err
	}
	identity, err := admission.Identify(r)
	if err != nil {
		return err
	}
	q, e := t.request(list)
	if e != nil {
		return e
	}
	if r.Method == http.MethodHead {
		setHeaders(w.Header())
		return nil
	}
	return t.stream(w, r, session.Client{Transport: "sse", Admission: admission, Identity: identity, Format: q.format}, q)
}

// request is what a client asks for.
type request struct {
	follows []session.Follow
	format  session.Format
	noIDs   bool
}

func (t *Transport) request(list protocol.TopicList) (q request, e *push.Error) {
	if q.format, e = t.format(list); e != nil {
		return q, e
	}
	_, isRaw := q.format.(raw)
	q.noIDs = list.IsPosted() && !isRaw // a payload doesn't say how the cursor moves
	most := cursor.MaxTopics
	if q.noIDs {
		most = protocol.MaxPostedTopics
	}
	if q.follows, e = list.Follows(most); e != nil {
		return q, e
	}
	if len(q.follows) == 0 {
		return q, push.NewError(push.CodeBadRequest, "no topic is named", nil)
	}
	return q, nil
}

// stream runs one session. Over HTTP/1 it takes the connection over and returns;
// else this goroutine writes to w, from the moment when the stream has begun, until
// the session is done. With an error there is none.
func (t *Transport) stream(w http.ResponseWriter, r *http.Request, client session.Client, q request) error {
	c := &conn{watchdog: t.watchdog, out: newResponse(w)}
	client.Conn = c
	client.Heartbeat, client.Interval = heartbeat, t.options.Heartbeat
	var takeOver func() (*connection, error)
	if canTakeOver(w, r) {
		takeOver = func() (*connection, error) { return takeConnection(w, t.options.AckTimeout) }
		if r.TLS == nil {
			client.Try = c
		}
	}
	s, err := t.host.Open(client)
	if err != nil {
		return err
	}
	var refused []session.Followed // nil unless all are
	s.Subscribe(r.Context(), q.follows, func(answers []session.Followed) *session.Frame {
		if session.AllRefused(answers) != nil {
			refused = answers
			return nil
		}
		places := cursors{noIDs: true}
		if !q.noIDs {
			places = newCursors(answers)
		}
		c.open(places, takeOver)
		return t.welcome(s, answers)
	})
	taken := c.taken()
	switch {
	case refused != nil:
		s.Close(nil)
		<-s.Done()
		if c.unanswered() != nil {
			protocol.WriteRefused(w, r, refused)
		}
	case taken != nil:
		taken.watch(s)
	default:
		t.warnOfDeadlines(w, r)
		t.serve(r.Context(), s, c)
		if e := c.unanswered(); e != nil {
			protocol.WriteError(w, r, e)
		}
	}
	return nil
}

// serve makes the handler's goroutine the session's writer, until the session is done.
func (t *Transport) serve(ctx context.Context, session *session.Session, c *conn) {
	if deadline, ok := ctx.Deadline(); ok {
		timer := time.AfterFunc(time.Until(deadline)-deadlineMargin, func() {
			session.Send(t.Reconnect(0))
			session.Close(push.NewError(push.CodeTimeout, "the request's deadline is near; come back with the cursor", nil))
		})
		defer timer.Stop()
	}
	session.Serve(ctx, func() {
		session.Close(c.gone())
		c.Abort()
	})
}

// warnOfDeadlines logs what will cut a stream that stays the response of its request.
// The client comes back, so the cause would show nowhere else.
func (t *Transport) warnOfDeadlines(w http.ResponseWriter, r *http.Request) {
	if _, ok := r.Context().Deadline(); ok {
		t.host.Hindered(r, "a middleware has given requests a deadline, which ends event streams; leave the transports' routes out")
	}
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && server.WriteTimeout > 0 && !canLiftDeadline(w) {
		t.host.Hindered(r, "http.Server.WriteTimeout cuts event streams, since a middleware hides the connection; it needs Unwrap")
	}
}

// deadlineMargin is how long before a request's deadline the stream ends by
// itself, cleanly.
const deadlineMargin = 500 * time.Millisecond
