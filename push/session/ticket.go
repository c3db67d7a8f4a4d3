package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/seal"
)

const (
	ticketLife   = 30 * time.Second
	ticketBytes  = 32
	ticketSet    = "tickets"
	ticketSecret = "ticket"
)

// Ticket gives a secret for who has been identified, by which one connection can be
// opened on any instance, once, and within the time that it lasts. It is for clients
// that can say who they are by nothing but a URL; transport.Options.Tickets is the
// route for it. The broker must be a [broker.Store], else the error is CodeUnsupported; for
// nobody in particular there is no ticket (CodeUnauthenticated).
//
// Nothing that is stored is of use to who reads it: neither is the ticket there, nor
// can the identity be read or changed without it.
func (h *Host) Ticket(ctx context.Context, id push.Identity) (ticket string, lasts time.Duration, err error) {
	store := h.hub.Store()
	switch {
	case id.User == "":
		return "", 0, push.CodeUnauthenticated
	case store == nil:
		return "", 0, push.NewError(push.CodeUnsupported, "there are no tickets here", nil)
	}
	secret := make([]byte, ticketBytes)
	_, _ = rand.Read(secret) // it never fails
	text, err := h.encodeIdentity(id)
	if err != nil {
		h.options.Logger.Error("push: no ticket can be made", "error", err)
		return "", 0, push.NewError(push.CodeInternal, "", err)
	}
	sealer, err := seal.New(secret, ticketSecret)
	if err != nil {
		return "", 0, push.AsError(err)
	}
	ctx, cancel := h.hub.Deadline(ctx)
	defer cancel()
	if _, err := store.Put(ctx, ticketSet, ticketName(secret), broker.Stored{Value: sealer.Close(text), TTL: ticketLife}); err != nil {
		return "", 0, err
	}
	return base64.RawURLEncoding.EncodeToString(secret), ticketLife, nil
}

// Redeem gives the identity that a ticket was made for, and uses the ticket up. One that
// isn't good any more, or never was, is push.CodeUnauthenticated. Whether the identity is still
// good is for [Host.Identify] to say.
func (h *Host) Redeem(ctx context.Context, ticket string) (push.Identity, error) {
	store := h.hub.Store()
	secret, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(secret) != ticketBytes || store == nil {
		return push.Identity{}, errTicket
	}
	ctx, cancel := h.hub.Deadline(ctx)
	defer cancel()
	sealed, err := store.Take(ctx, ticketSet, ticketName(secret))
	if err != nil {
		return push.Identity{}, err
	}
	if sealed == nil {
		return push.Identity{}, errTicket
	}
	sealer, err := seal.New(secret, ticketSecret)
	if err != nil {
		return push.Identity{}, push.AsError(err)
	}
	text, err := sealer.Open(sealed)
	if err != nil { // somebody has changed what is stored
		return push.Identity{}, push.NewError(push.CodeUnauthenticated, errTicket.Reason, err)
	}
	id, err := h.decodeIdentity(text)
	if err != nil {
		h.options.Logger.Error("push: the identity of a ticket can't be read", "error", err)
		return push.Identity{}, push.NewError(push.CodeInternal, "", err)
	}
	return id, nil
}

var errTicket = push.NewError(push.CodeUnauthenticated, "the ticket isn't good, or was used", nil)

// ticketName is what a ticket is stored by. It tells nothing of the ticket.
func ticketName(secret []byte) string {
	sum := sha256.Sum256(secret)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

type identifyKey struct{}

// WithIdentify makes [Host.Identify] ask this, and not Options.Identify, who makes the
// request. What is asked of an identity besides stays the same.
func WithIdentify(r *http.Request, identify func(r *http.Request) (push.Identity, error)) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), identifyKey{}, identify))
}
