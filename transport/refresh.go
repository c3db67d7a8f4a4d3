package transport

import (
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// refreshHandler gives a session a new identity: that of who makes the request. Any
// instance can serve it.
type refreshHandler struct{ hub *push.Hub }

func (h *refreshHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(w, r, http.MethodPost) {
		return
	}
	expires, done, err := h.refresh(r)
	switch {
	case err != nil:
		protocol.WriteError(w, push.AsError(err))
	case done:
		protocol.WriteJSON(w, http.StatusOK, protocol.HTTPRefreshed(expires))
	default:
		protocol.WriteJSON(w, http.StatusAccepted, protocol.HTTPRefreshed(expires))
	}
}

func (h *refreshHandler) refresh(r *http.Request) (expires time.Time, done bool, err error) {
	identity, err := h.hub.IdentifySender(r)
	if err != nil {
		return time.Time{}, false, err
	}
	query, e := protocol.Query(r)
	if e != nil {
		return time.Time{}, false, e
	}
	sessions := query["session"]
	if len(sessions) != 1 {
		return time.Time{}, false, push.Errorf(push.CodeBadRequest, "one session is named", nil)
	}
	done, err = h.hub.Refresh(r.Context(), sessions[0], identity)
	return identity.Expires, done, err
}
