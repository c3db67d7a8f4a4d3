package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/seal"
)

const (
	refreshEvent  = "refresh"
	refreshSecret = "refresh"
)

// Refresh gives a session a new identity of the same user, for transports: its
// connection lasts until that expires, and rights of its topics are asked again.
// Nothing is closed and nothing missed. Done means that the session is on this
// instance; else the others are told, and the one that has it does the same. It can't
// be told whether there is such a session: so nobody learns which ones exist.
//
// The errors are CodeForbidden for another user, with whom the session stays as it is,
// CodeUnauthenticated for nobody in particular, and what telling the others may come
// to.
func (h *Host) Refresh(ctx context.Context, session string, id push.Identity) (done bool, err error) {
	if id.User == "" {
		return false, push.CodeUnauthenticated
	}
	sessionID, err := uuid.Parse(session)
	if err != nil {
		return false, push.NewError(push.CodeBadRequest, "this is no ID of a session", err)
	}
	name := nameOf(sessionID)
	if s := h.session(name); s != nil {
		return s.refresh(id)
	}
	if h.hub.Store() == nil {
		return false, nil // there are no others
	}
	text, err := h.encodeIdentity(id)
	if err != nil {
		h.options.Logger.Error("push: no other instance can be told of an identity", "error", err)
		return false, push.NewError(push.CodeInternal, "", err)
	}
	sealer, err := seal.New(sessionID[:], refreshSecret)
	if err != nil {
		return false, push.AsError(err)
	}
	told, err := json.Marshal(refreshed{name, sealer.Close(text)})
	if err != nil {
		return false, push.AsError(err)
	}
	ctx, cancel := h.hub.Deadline(ctx)
	defer cancel()
	return false, h.hub.Tell(ctx, refreshEvent, told)
}

// sessionName is what a session is known by to who must not learn its ID: that is the
// secret by which its identity is sealed.
type sessionName [16]byte

// newSessionID makes the ID of a session, a UUIDv7 (RFC 9562 section 5.7). It is as good as
// a secret, in contrast to other IDs.
func newSessionID() uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(id[6:]) // it never fails
	id[6] = 7<<4 | id[6]&0x0f
	id[8] = 2<<6 | id[8]&0x3f
	return id
}

// openedAt returns when the session with an ID was opened.
func openedAt(id uuid.UUID) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16))
}

func nameOf(id uuid.UUID) sessionName {
	sum := sha256.Sum256(id[:])
	return sessionName(sum[:])
}

// refreshed is what instances are told of a session's new identity.
type refreshed struct {
	Session  sessionName `json:"session"`
	Identity []byte      `json:"identity"` // sealed
}

// session gives a session of this instance, or nil.
func (h *Host) session(name sessionName) *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[name]
}

// onRefresh takes what another instance has told.
func (h *Host) onRefresh(told []byte) {
	h.work.Go(func() { // the application is asked for the claims
		if err := h.applyRefresh(told); err != nil {
			h.options.Logger.Warn("push: a session's identity can't be refreshed", "error", err)
		}
	})
}

// applyRefresh does what another instance was asked for, if the session is here.
func (h *Host) applyRefresh(told []byte) error {
	var r refreshed
	if err := json.Unmarshal(told, &r); err != nil {
		return err
	}
	s := h.session(r.Session)
	if s == nil {
		return nil
	}
	sealer, err := seal.New(s.id[:], refreshSecret)
	if err != nil {
		return err
	}
	text, err := sealer.Open(r.Identity)
	if err != nil {
		return err
	}
	id, err := h.decodeIdentity(text)
	if err != nil {
		return err
	}
	_, err = s.refresh(id)
	return err
}

// refresh reports whether the session goes on with the new identity.
func (s *Session) refresh(id push.Identity) (bool, error) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return false, nil
	}
	if id.User != s.identity.Load().User {
		s.mu.Unlock()
		return false, errOtherUser
	}
	s.identity.Store(&id)
	s.expiry = s.hub.expiryOf(id)
	s.setTimer()
	s.mu.Unlock()
	s.enforce()
	s.identityChanged()
	return true, nil
}

// identityChanged has the rights asked again for the identity that the session has now.
func (s *Session) identityChanged() {
	if s.hub.options.Authorize != nil && !s.hub.public {
		s.hub.recheckSoon(s)
	}
}

var errOtherUser = push.NewError(push.CodeForbidden, "the session is another user's", nil)

// expiryOf is when a session of an identity ends, on the hub's clock; 0 if never.
func (h *Host) expiryOf(id push.Identity) time.Duration {
	if id.Expires.IsZero() {
		return 0
	}
	left := time.Until(id.Expires.Add(expiryGrace))
	if left >= forever {
		return 0
	}
	return max(1, h.wheel.Now()+left)
}
