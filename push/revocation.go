package push

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/internal/revoke"
	"github.com/tidewire/tidewire/push/optional"
)

// Revocation takes rights away before they expire by themselves; see [Hub.Revoke].
// It is about a User, a Session, a Topic, or about a User and a Topic together.
//
// Clocks of instances may differ as they like: how long a revocation holds is counted
// by each, and which of two about the same is the later is told apart without them.
// The one comparison of clocks is with that of whoever sets Identity.Issued.
type Revocation struct {
	// User is whose rights are taken away, as in [Identity]. Every session of the
	// user ends with CodeForbidden, and what is queued for it is dropped; new
	// connections, requests and tickets are refused. Whoever logs in anew is free
	// again if Identity.Issued says so: it must be more than a second later than the
	// call of Revoke. That second is how far the clock of whoever issues identities
	// may be ahead of this instance's; by what it is ahead beyond that, identities
	// from before the call stay good, and to revoke again after so long catches them.
	// At most 1,024 bytes.
	User string
	// Session is the ID of a session, which ends; so does nothing else, and a client
	// of ours stays away, but its user may connect again.
	Session string
	// Topic is what may not be followed, resumed or sent to any more: by anybody, or
	// by User if that is set, whose other rights stay. Sessions that follow it are
	// asked to come back with their cursors, lose nothing of their other topics,
	// and are refused this one.
	Topic string
	// For is how long it holds, from when each instance hears of it. Default 24 hours;
	// negative is for good. It needn't be longer than until all that was issued before
	// has expired, and is of no use for a Session.
	For time.Duration
}

const (
	revokeFor      = 24 * time.Hour
	sessionEndsIn  = time.Minute // how long the end of a session is kept for those who haven't heard
	maxRevokedUser = 1024
)

// What the revoker stores and tells.
const (
	revocationSet   = "revocations"
	revocationEvent = "revocation"
	putBackEvent    = "revocations" // those that are stored are others now
)

// Revoke takes rights away, on every instance: within five seconds nothing more is
// delivered that is against it. A revocation is stored, so that instances which
// start later, or haven't heard, hold to it as well. A later one about the same takes
// the place of the earlier.
//
// An error means maybe; revoking again is safe. It is CodeLimitReached past 10,000
// revocations that hold, and CodeUnsupported if the broker is no [broker.Store]. While the
// broker can't be reached nobody can be told, which is an error too.
func (h *Hub) Revoke(ctx context.Context, r Revocation) error {
	about, err := r.subject()
	if err != nil {
		return err
	}
	lasts := min(optional.Bound(r.For, revokeFor), revoke.Forever)
	if r.Session != "" {
		lasts = sessionEndsIn
	}
	return h.revoker.decide(ctx, revoke.Record{Subject: about}, lasts)
}

// Restore takes a Revocation back, of a User, a Topic, or both: what it forbids is
// allowed again, if nothing else is against it. Its For must be what it was for
// Revoke. An error means maybe; restoring again is safe.
func (h *Hub) Restore(ctx context.Context, r Revocation) error {
	about, err := r.subject()
	if err != nil {
		return err
	}
	if r.Session != "" {
		return NewError(CodeBadRequest, "a session that has ended can't be restored", nil)
	}
	return h.revoker.decide(ctx, revoke.Record{Subject: about, Restored: true}, min(optional.Bound(r.For, revokeFor), revoke.Forever))
}

// subject checks the revocation.
func (r Revocation) subject() (revoke.Subject, error) {
	switch {
	case r.Session != "" && (r.User != "" || r.Topic != ""), r.Session == "" && r.User == "" && r.Topic == "":
		return revoke.Subject{}, NewError(CodeBadRequest, "a revocation is about a user, a session, a topic, or a user and a topic", nil)
	case len(r.User) > maxRevokedUser || !utf8.ValidString(r.User):
		return revoke.Subject{}, NewError(CodeBadRequest, "a user to revoke is at most 1024 bytes of UTF-8", nil)
	case r.Topic != "":
		if err := broker.CheckTopic(r.Topic); err != nil {
			return revoke.Subject{}, AsError(err)
		}
	}
	about := revoke.Subject{User: r.User, Topic: r.Topic}
	if r.Session != "" {
		id, err := uuid.Parse(r.Session)
		if err != nil {
			return revoke.Subject{}, NewError(CodeBadRequest, "this is no ID of a session", err)
		}
		about.Session = id
	}
	return about, nil
}

// The errors of those whose rights were taken away.
var (
	errRevoked      = NewError(CodeForbidden, "access was revoked", nil)
	errTopicRevoked = NewError(CodeForbidden, "access to this topic was revoked", nil)
)
