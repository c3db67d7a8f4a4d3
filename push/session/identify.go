package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

var nobody push.Identity

// shared gives the identity to keep, which all anonymous clients share.
func shared(id push.Identity) *push.Identity {
	if id.User == "" && id.Claims == nil && id.Issued.IsZero() && id.Expires.IsZero() {
		return &nobody
	}
	return &id
}

// Identify decides whether a request that opens no connection may be heeded: its origin
// is allowed, and Options.Identify knows who makes it. See Admit for the others.
func (h *Host) Identify(r *http.Request) (push.Identity, error) {
	return h.identifyFrom(r, h.source(r))
}

// IdentifySender is Identify for a request that brings a message, or costs as much as one
// does. It counts against Limits.Sends.
func (h *Host) IdentifySender(r *http.Request) (push.Identity, error) {
	from := h.source(r)
	id, err := h.identifyFrom(r, from)
	if err != nil {
		return push.Identity{}, err
	}
	if err := h.limiter.send(from, id.User, h.wheel.Now()); err != nil {
		return push.Identity{}, err
	}
	return id, nil
}

func (h *Host) identifyFrom(r *http.Request, from source) (push.Identity, error) {
	if err := h.checkOrigin(r); err != nil {
		return push.Identity{}, err
	}
	if err := h.limiter.mayTry(from, h.wheel.Now()); err != nil {
		return push.Identity{}, err
	}
	return h.identify(r, from)
}

func (h *Host) checkOrigin(r *http.Request) error {
	if e := h.Origins().Check(r); e != nil {
		return e
	}
	return nil
}

// Origins are the origins that may connect.
func (h *Host) Origins() Origins { return Origins(h.options.Origins) }

// identify asks who makes a request whose origin was checked: Options.Identify, or what
// WithIdentify has put in its place.
func (h *Host) identify(r *http.Request, from source) (push.Identity, error) {
	identify := h.options.Identify
	if other, ok := r.Context().Value(identifyKey{}).(func(r *http.Request) (push.Identity, error)); ok {
		identify = other
	}
	if identify == nil {
		return push.Identity{}, nil
	}
	id, err := bounded(r.Context(), h, func(ctx context.Context) (push.Identity, error) {
		id, err := identify(r.WithContext(ctx))
		if err == nil && !id.Expires.IsZero() && time.Until(id.Expires) <= -expiryGrace {
			err = errExpired
		}
		if err == nil {
			err = h.hub.Admits(ctx, &id)
		}
		return id, Refusal(err, push.CodeUnauthenticated)
	})
	if errors.Is(err, push.CodeUnauthenticated) {
		if tooOften := h.limiter.failed(from, h.wheel.Now()); tooOften != nil {
			err = tooOften
		}
	}
	return id, err
}

var errExpired = push.NewError(push.CodeUnauthenticated, "the identity has expired", nil)

// access is the question whether the session's client may do something with a topic, which
// for the members of a topic is whether it may see them.
func (s *Session) access(action push.Action, topic string) push.Access {
	if of, members := broker.MembersOf(topic); members {
		return push.Access{Identity: s.Identity(), Action: push.ActionMembers, Topic: of}
	}
	return push.Access{Identity: s.Identity(), Action: action, Topic: topic}
}

// subjectOf is the topic about whose members a topic is, or the topic itself.
func subjectOf(topic string) string {
	if of, members := broker.MembersOf(topic); members {
		return of
	}
	return topic
}

// authorize asks Authorize; with none set everything is refused.
func (h *Host) authorize(ctx context.Context, a push.Access) error {
	if h.options.Authorize == nil {
		return errNoAuthorize
	}
	if err := h.hub.Permits(ctx, a); err != nil {
		return err
	}
	if h.public {
		return nil // there is nothing to wait for
	}
	_, err := bounded(ctx, h, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, Refusal(h.options.Authorize(ctx, a), push.CodeForbidden)
	})
	return err
}

var errNoReceive = &push.Error{
	Code: push.CodeForbidden, Reason: "this server takes no messages from clients", Hint: "set push.Options.Receive",
}

var errNoAuthorize = &push.Error{
	Code: push.CodeForbidden, Reason: "no Authorize is set, so nobody may", Hint: "set push.Options.Authorize",
}

// Inbound takes a message from a client to Receive, for transports.
func (h *Host) Inbound(ctx context.Context, in push.Inbound) (push.Reply, error) {
	m := in.Message()
	if limit := h.options.MaxInbound; len(m.Data) > limit {
		return push.Reply{}, push.NewError(push.CodeTooLarge, fmt.Sprintf("a message from a client has at most %d bytes of data", limit), nil)
	}
	if err := m.Prepare(h.options.MaxInbound); err != nil {
		return push.Reply{}, err
	}
	if err := h.authorize(ctx, push.Access{Identity: in.Identity, Action: push.ActionSend, Topic: in.Topic}); err != nil {
		return push.Reply{}, err
	}
	if h.options.Receive == nil {
		return push.Reply{}, errNoReceive
	}
	in.Data = m.Data
	reply, err := guarded(h, func() (push.Reply, error) {
		reply, err := h.options.Receive(ctx, in)
		return reply, Refusal(err, push.CodeInternal)
	})
	if err != nil || reply.Data == nil {
		return reply, err
	}
	if reply.Data, err = reply.Encoding.Normalize(reply.Data); err != nil {
		return push.Reply{}, push.NewError(push.CodeInternal, "", fmt.Errorf("push: Options.Receive replied what its encoding isn't: %w", err))
	}
	return reply, nil
}

// bounded calls a hook of the application, which has AccessTimeout to answer
// even if it doesn't heed its context.
func bounded[T any](ctx context.Context, h *Host, hook func(context.Context) (T, error)) (T, error) {
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
		return zero, push.AsError(ctx.Err())
	}
}

// guarded calls a hook of the application and makes its panic an error.
func guarded[T any](h *Host, hook func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.recovered(p)
			err = push.CodeInternal
		}
	}()
	return hook()
}
