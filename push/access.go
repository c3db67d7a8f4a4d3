package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Identity is who a client is, as Options.Identify found it in the request.
type Identity struct {
	// User names the user; empty is anonymous.
	User string
	// Expires ends the client's connections at that time, plus ten seconds of
	// grace. Zero is never.
	Expires time.Time
	// Issued is when the user has proved who they are, such as the time of the login.
	// After Hub.Revoke only a later one is good. Zero isn't known.
	Issued time.Time
	// Claims is whatever else the application knows of the user, for Authorize
	// and Receive.
	Claims any
}

var nobody Identity

// shared gives the identity to keep, which all who are nobody in particular share.
func (id Identity) shared() *Identity {
	if id.User == "" && id.Claims == nil && id.Issued.IsZero() && id.Expires.IsZero() {
		return &nobody
	}
	return &id
}

// Identify tells who makes a request, from a cookie or a header. It is called
// once for each connection and each POST, after the origin was checked. An
// error refuses the client: as the *Error that it is, or else with
// CodeUnauthenticated.
type Identify func(r *http.Request) (Identity, error)

// Action is what a client wants to do with a topic.
type Action string

// The actions.
const (
	ActionFollow Action = "follow" // get the topic's messages, from now on
	ActionResume Action = "resume" // get the topic's messages, from a cursor on
	ActionSend   Action = "send"   // hand a message to Options.Receive
)

// Access is one question to [Authorize].
type Access struct {
	Identity Identity
	Action   Action
	Topic    string

	rule *compiled // that is asked; nil if there are no Rules
}

// Authorize answers whether a client may do what it wants: nil is yes. An error
// refuses: as the *Error that it is, or else with CodeForbidden. It is asked
// on every subscribe, every resume and every message from a client, and again
// every Options.Recheck if that is set, by many goroutines at once, and has
// Options.AccessTimeout to answer.
type Authorize func(ctx context.Context, a Access) error

// Anyone is the Authorize for public topics: anyone may follow and send.
func Anyone(context.Context, Access) error { return nil }

// Inbound is a message from a client.
type Inbound struct {
	Identity Identity
	// Session is the sender's connection; empty if the message came by POST.
	Session string
	// ID is what the client named the message for a safe retry, or empty.
	ID     string
	Topic  string
	Event  string
	Data   []byte
	Binary bool
}

// Message gives what the client sent as a message to publish, with the client's
// ID, so that a retry of the client is stored once.
func (in Inbound) Message() Message {
	return Message{ID: in.ID, Topic: in.Topic, Event: in.Event, Data: in.Data, Binary: in.Binary}
}

// Reply answers an Inbound. The zero Reply says only "done".
type Reply struct {
	Data   []byte
	Binary bool
}

// Receive handles a message from a client, however it came, after Authorize
// said yes. Its reply reaches the sender. An error does too, as the *Error
// that it is, or else as CodeInternal. Messages of one WebSocket are handled
// one after the other; others run side by side. The context ends with the
// sender's connection, and Receive must then return.
type Receive func(ctx context.Context, in Inbound) (Reply, error)

// Identify decides whether a request that opens no connection may be heeded: its origin
// is allowed, and Options.Identify knows who makes it. See Admit for the others.
func (h *Hub) Identify(r *http.Request) (Identity, error) {
	return h.identifyFrom(r, h.source(r))
}

// IdentifySender is Identify for a request that brings a message, or costs as much as one
// does. It counts against Limits.Sends.
func (h *Hub) IdentifySender(r *http.Request) (Identity, error) {
	from := h.source(r)
	id, err := h.identifyFrom(r, from)
	if err != nil {
		return Identity{}, err
	}
	if err := h.gate.send(from, id.User, h.wheel.now()); err != nil {
		return Identity{}, err
	}
	return id, nil
}

func (h *Hub) identifyFrom(r *http.Request, from source) (Identity, error) {
	if err := h.checkOrigin(r); err != nil {
		return Identity{}, err
	}
	if err := h.gate.mayTry(from, h.wheel.now()); err != nil {
		return Identity{}, err
	}
	return h.identify(r, from)
}

func (h *Hub) checkOrigin(r *http.Request) error {
	if e := h.options.Origins.Check(r); e != nil {
		return e
	}
	return nil
}

// Origins are the origins that may connect.
func (h *Hub) Origins() Origins { return h.options.Origins }

// identify asks who makes a request whose origin was checked: Options.Identify, or what
// WithIdentify has put in its place.
func (h *Hub) identify(r *http.Request, from source) (Identity, error) {
	identify := h.options.Identify
	if other, ok := r.Context().Value(identifyKey{}).(Identify); ok {
		identify = other
	}
	if identify == nil {
		return Identity{}, nil
	}
	id, err := bounded(r.Context(), h, func(ctx context.Context) (Identity, error) {
		id, err := identify(r.WithContext(ctx))
		if err == nil && !id.Expires.IsZero() && time.Until(id.Expires) <= -expiryGrace {
			err = errExpired
		}
		if err == nil {
			err = h.control.admits(ctx, &id)
		}
		return id, refusal(err, ErrUnauthenticated)
	})
	if errors.Is(err, ErrUnauthenticated) {
		if tooOften := h.gate.failed(from, h.wheel.now()); tooOften != nil {
			err = tooOften
		}
	}
	return id, err
}

var errExpired = Errorf(CodeUnauthenticated, "the identity has expired", nil)

// authorize asks Authorize; with none set everything is refused.
func (h *Hub) authorize(ctx context.Context, a Access) error {
	if h.options.Authorize == nil {
		return errNoAuthorize
	}
	if err := h.control.permits(ctx, a); err != nil {
		return err
	}
	if h.public {
		return nil // there is nothing to wait for
	}
	_, err := bounded(ctx, h, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, refusal(h.options.Authorize(ctx, a), ErrForbidden)
	})
	return err
}

var errNoReceive = &Error{
	Code: CodeForbidden, Reason: "this server takes no messages from clients", hint: "set push.Options.Receive",
}

var errNoAuthorize = &Error{
	Code: CodeForbidden, Reason: "no Authorize is set, so nobody may", hint: "set push.Options.Authorize",
}

// Inbound takes a message from a client to Receive, for transports.
func (h *Hub) Inbound(ctx context.Context, in Inbound) (Reply, error) {
	m := in.Message()
	if limit := h.options.MaxInbound; len(m.Data) > limit {
		return Reply{}, Errorf(CodeTooLarge, fmt.Sprintf("a message from a client has at most %d bytes of data", limit), nil)
	}
	if err := m.Prepare(h.options.MaxInbound); err != nil {
		return Reply{}, err
	}
	if err := h.authorize(ctx, Access{Identity: in.Identity, Action: ActionSend, Topic: in.Topic}); err != nil {
		return Reply{}, err
	}
	if h.options.Receive == nil {
		return Reply{}, errNoReceive
	}
	return guarded(h, func() (Reply, error) { return h.options.Receive(ctx, in) })
}

// refusal makes a hook's error one that the client may be told.
func refusal(err error, standard *Error) error {
	if err == nil {
		return nil
	}
	if e := AsError(err); e.Code != CodeInternal {
		return e
	}
	return Errorf(standard.Code, standard.Reason, err)
}

// bounded calls a hook of the application, which has AccessTimeout to answer
// even if it doesn't heed its context.
func bounded[T any](ctx context.Context, h *Hub, hook func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, h.options.AccessTimeout)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	h.work.Go(func() {
		value, err := guarded(h, func() (T, error) { return hook(ctx) })
		answers <- answer{value, err}
	})
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var zero T
		return zero, AsError(ctx.Err())
	}
}

// guarded calls a hook of the application and makes its panic an error.
func guarded[T any](h *Hub, hook func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.recovered(p)
			err = ErrInternal
		}
	}()
	return hook()
}
