package session

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Refused counts and logs that a request is refused, for transports: whatever answers
// one with an error calls it, once. Of each kind of refusal a few lines a minute go to
// the log, which say what an operator needs to find the cause, and nothing that is
// secret: no query, no cookie, no token. Why a foreign origin was refused is said with
// the origin and the host that the request had. A client that has left gets no line.
func (h *Host) Refused(r *http.Request, e *push.Error) {
	h.stats.countRefused(e.Code)
	if r.Context().Err() != nil {
		return
	}
	h.logRefusal(e, r.Pattern, func() []any {
		args := []any{"route", r.Pattern, "method", escaped(r.Method)}
		if address := h.source(r).address; address.IsValid() {
			args = append(args, "address", address)
		}
		if e == errForeign || e == errOtherSite || e == errNoOrigin {
			args = append(args, seenOrigin(r)...)
		}
		return args
	})
}

// CountRefused counts a refusal whose cause Hindered has logged.
func (h *Host) CountRefused(code push.Code) { h.stats.countRefused(code) }

// refuse counts and logs what a limit has refused to a connected client, or what it
// asked for in vain.
func (h *Host) refuse(e *push.Error) *push.Error {
	h.stats.countRefused(e.Code)
	h.logRefusal(e, "", func() []any { return nil })
	return e
}

// refused counts and logs why a connected client's request about a topic is refused, and
// returns it as the client is told. where is the kind of the request. A client that has left
// isn't counted.
func (s *Session) refused(ctx context.Context, err error, where, topic string) *push.Error {
	e := push.AsError(err)
	if ctx.Err() != nil {
		return e
	}
	s.hub.stats.countRefused(e.Code)
	s.hub.logRefusal(e, where, func() []any {
		if broker.CheckFollowed(topic) != nil { // then it may be anything
			return []any{"session", s.id}
		}
		return []any{"topic", escaped(topic), "session", s.id}
	})
	return e
}

// logRefusal logs an error that a client is told. A kind is a code, what the operator
// is told to it, and where it happened.
func (h *Host) logRefusal(e *push.Error, where string, args func() []any) {
	level := slog.LevelInfo // a client's own mistake, or a matter of course
	if e.Hint != "" || !e.Code.Final() && e.Code != push.CodeDraining {
		level = slog.LevelWarn
	}
	kind := e.Hint + " " + where
	if e.Code.Known() { // else the application has made it up
		kind += " " + string(e.Code)
	}
	h.warnings.logKind(level, kind, "push: refused", func() []any {
		all := append([]any{"code", e.Code, "reason", shortened(e.Reason)}, args()...)
		if e.Hint != "" {
			all = append(all, "hint", e.Hint)
		}
		if e.Cause != nil {
			all = append(all, "error", shortened(e.Cause))
		}
		return all
	})
}

// Refusal makes the error of an application's hook one that a client may be told: the
// *push.Error or push.Code that it is, or else standard, with err as the cause. A code that
// doesn't exist becomes standard too, and keeps its reason. Nil stays nil.
func Refusal(err error, standard push.Code) error {
	if err == nil {
		return nil
	}
	e := push.AsError(err)
	switch {
	case !e.Code.Known():
		refused := push.NewError(standard, e.Reason, err)
		refused.After, refused.Hint = e.After, e.Hint
		return refused
	case e.Code == push.CodeInternal && standard != push.CodeInternal:
		return push.NewError(standard, "", err)
	default:
		return e
	}
}
