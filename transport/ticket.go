package transport

import (
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// ticketHandler gives a ticket to who is known by a header or a cookie.
type ticketHandler struct{ host *session.Host }

func (h *ticketHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(h.host, w, r, http.MethodPost) {
		return
	}
	ticket, lasts, err := h.ticket(r)
	if err != nil {
		protocol.Refuse(h.host, w, r, push.AsError(err))
		return
	}
	protocol.WriteJSON(w, http.StatusOK, protocol.HTTPTicket(ticket, lasts))
}

func (h *ticketHandler) ticket(r *http.Request) (ticket string, lasts time.Duration, err error) {
	identity, err := h.host.IdentifySender(r)
	if err != nil {
		return "", 0, err
	}
	if _, e := protocol.Parameters(r); e != nil {
		return "", 0, e
	}
	return h.host.Ticket(r.Context(), identity)
}

// noTickets is where there would be tickets. A client can tell its answer from a 404 of something
// before the server by the code, and does without.
type noTickets struct{ host *session.Host }

func (h *noTickets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protocol.RefuseAs(h.host, w, r, http.StatusNotFound, errNoTickets)
}

var errNoTickets = push.NewError(push.CodeBadRequest, "tickets are off: this server has no transport.Options.Tickets", nil)

// withTickets lets requests in by a ticket in their URL. It takes the ticket out of
// the URL, which hooks and what they log may show. What is wrong with it is said when
// the transport asks who it is.
func withTickets(host *session.Host, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, e := protocol.Query(r)
		if e != nil || !query.Has("ticket") {
			next.ServeHTTP(w, r) // a malformed query isn't looked at here
			return
		}
		tickets := query["ticket"]
		alone := len(tickets) == 1 && r.Header["Authorization"] == nil && !query.Has("token") && !query.Has("access_token")
		query.Del("ticket")
		r = session.WithIdentify(r, func(r *http.Request) (push.Identity, error) {
			if !alone {
				return push.Identity{}, errNotAlone
			}
			return host.Redeem(r.Context(), tickets[0])
		})
		url := *r.URL
		url.RawQuery = query.Encode()
		r.URL, r.RequestURI = &url, url.RequestURI()
		next.ServeHTTP(w, r)
	})
}

// withoutTickets refuses requests that bring a ticket, when the transport asks who it is:
// a ticket is good once, and these requests are to be repeated.
func withoutTickets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query, e := protocol.Query(r); e == nil && query.Has("ticket") {
			r = session.WithIdentify(r, func(*http.Request) (push.Identity, error) {
				return push.Identity{}, errTicketOfPoll
			})
		}
		next.ServeHTTP(w, r) // a malformed query isn't looked at here
	})
}

var errTicketOfPoll = push.NewError(push.CodeBadRequest,
	"a ticket is good once, and each poll needs credentials: send them in a header or a cookie", nil)

var errNotAlone = push.NewError(push.CodeBadRequest, "a ticket is one, and comes with no other credentials", nil)
