// Package poll is the transport for networks where nothing streams: each request is answered
// as a whole, with what there is to tell, or after a time with nothing. Every answer has the
// cursor of all its topics, with which the client asks again. So an answer that is lost is
// asked for again, by the same request. A client asks in the URL, or by a POST whose body is
// a form, which has room for more topics. docs/protocol.md describes it.
package poll

import (
	"context"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/optional"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/internal/doctor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Transport answers polls for a hub. It is a [push.Publisher] in name only; see Publish.
type Transport struct {
	host    *session.Host
	options Options
	doctor  *doctor.Doctor
}

var (
	_ http.Handler        = (*Transport)(nil)
	_ push.Publisher      = (*Transport)(nil)
	_ session.StateFormat = (*Transport)(nil)
	_ session.Collector   = (*conn)(nil)
)

// New makes the transport. More than one Options panics.
func New(hub *push.Hub, options ...Options) *Transport {
	host := session.Of(hub)
	return &Transport{host: host, options: optional.One(options).withDefaults(), doctor: doctor.New(host)}
}

// Host returns the host of the hub that the transport was made for. transport.Routes
// compares it.
func (t *Transport) Host() *session.Host { return t.host }

// Publish refuses with [push.CodeUnsupported]. What a transport publishes by itself is stored
// nowhere, so a client that isn't waiting at this moment, or whose answer is lost, would
// never get it.
func (t *Transport) Publish(context.Context, push.Message) (push.Receipt, error) {
	return push.Receipt{}, errUnsupported
}

var errUnsupported = push.NewError(push.CodeUnsupported,
	"messages can't be published to clients that poll alone: publish to the hub, which stores them", nil)

// ServeHTTP answers with what follows the cursor in the topics of the URL, or of a POST's
// body. If there is nothing it waits, for as long as the request and the Options say. It
// returns at once when the client leaves.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(t.host, w, r, http.MethodGet, http.MethodPost) {
		return
	}
	if r.Method != http.MethodPost && r.ContentLength != 0 {
		protocol.Refuse(t.host, w, r, push.NewError(push.CodeBadRequest, "a poll has no body, but by POST", nil))
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
	list, e := protocol.ReadTopicList(w, r, "topic", "state", "since", "recent", "wait", "v", "format")
	if e != nil {
		return e
	}
	if err := admission.Enter(list.HasCursor()); err != nil {
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
	return t.answer(w, r, session.Client{Transport: "poll", Admission: admission, Identity: identity, Format: t}, q)
}

// request is what a poll asks for.
type request struct {
	follows []session.Follow
	wait    time.Duration
}

func (t *Transport) request(list protocol.TopicList) (q request, e *push.Error) {
	most := cursor.MaxTopics
	if list.IsPosted() {
		most = protocol.MaxPostedTopics
	}
	if q.follows, e = list.Follows(most); e != nil {
		return q, e
	}
	if len(q.follows) == 0 {
		return q, push.NewError(push.CodeBadRequest, "no topic is named", nil)
	}
	if list.Formats() != nil {
		return q, push.NewError(push.CodeBadRequest, "a poll has no format: its answer is JSON", nil)
	}
	if q.wait, e = list.Wait(); q.wait < 0 {
		q.wait = t.options.Wait
	}
	return q, e
}

// answer runs one session, from the request to its answer. With an error there is none.
func (t *Transport) answer(w http.ResponseWriter, r *http.Request, client session.Client, q request) error {
	c := &conn{w: w, control: http.NewResponseController(w), timeout: t.options.WriteTimeout}
	allowed := patience(c.control, r, t.options.MaxWait)
	t.doctor.Polled(r, allowed, t.options.MaxWait)
	client.Conn = c
	s, err := t.host.Open(client)
	if err != nil {
		return err
	}
	c.session = s
	defer time.AfterFunc(min(q.wait, allowed), c.answerNow).Stop()
	var refused []session.Followed // nil unless all are
	s.Subscribe(r.Context(), q.follows, func(answers []session.Followed) *session.Frame {
		if session.AllRefused(answers) != nil {
			refused = answers
			return nil
		}
		c.open(answers)
		return new(session.Frame) // nothing to tell, but that the topics are followed
	})
	if refused != nil {
		s.Close(nil)
	}
	s.Serve(r.Context(), func() {
		s.Close(c.gone())
		c.Abort()
	})
	client.Admission.ExpectBack()
	switch failure, begun := c.outcome(); {
	case refused != nil && !begun:
		protocol.WriteRefused(w, r, refused)
	case failure == nil:
	case begun:
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	default:
		protocol.WriteError(w, r, failure)
	}
	return nil
}

// patience is how long a request may wait that wants to wait so long. The server's time limits
// are lifted; those that a middleware keeps from being lifted, or has set, are heeded.
func patience(control *http.ResponseController, r *http.Request, wait time.Duration) time.Duration {
	within := func(limit time.Duration) {
		if limit > 0 {
			wait = min(wait, doctor.Before(limit))
		}
	}
	if deadline, ok := r.Context().Deadline(); ok {
		within(max(time.Until(deadline), 1))
	}
	canRead, canWrite := control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		if canRead != nil {
			within(server.ReadTimeout)
		}
		if canWrite != nil {
			within(server.WriteTimeout)
		}
	}
	return wait
}
