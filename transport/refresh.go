package transport

import (
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// refreshHandler gives a session a new identity: that of who makes the request. Any
// instance can serve it.
type refreshHandler struct{ host *session.Host }

func (h *refreshHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(h.host, w, r, http.MethodPost) {
		return
	}
	expires, done, err := h.refresh(r)
	switch {
	case err != nil:
		protocol.Refuse(h.host, w, r, push.AsError(err))
	case done:
		protocol.WriteJSON(w, http.StatusOK, protocol.HTTPRefreshed(expires))
	default:
		protocol.WriteJSON(w, http.StatusAccepted, protocol.HTTPRefreshed(expires))
	}
}

func (h *refreshHandler) refresh(r *http.Request) (expires time.Time, done bool, err error) {
	identity, err := h.host.IdentifySender(r)
	if err != nil {
		return time.Time{}, false, err
	}
	query, e := protocol.Parameters(r, "session")
	if e != nil {
		return time.Time{}, false, e
	}
	if !query.Has("session") {
		return time.Time{}, false, push.NewError(push.CodeBadRequest, "session is missing in the query", nil)
	}
	done, err = h.host.Refresh(r.Context(), query.Get("session"), identity)
	return identity.Expires, done, err
}
