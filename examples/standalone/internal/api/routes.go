// Package api is the HTTP API for backends: JSON in, JSON out, with a key as a bearer token.
// openapi.json in the folder of the server describes it; a test compares.
package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/examples/standalone/internal/access"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// server answers requests of backends.
type server struct {
	hub      *push.Hub
	host     *session.Host
	backends *access.Backends
}

// route is one operation. serve returns what is answered as JSON; nil is status 204.
type route struct {
	method, path string
	serve        func(s *server, w http.ResponseWriter, r *http.Request) (any, error)
	// statuses are what it may answer, besides those of every route.
	statuses []int
}

// ofAll are the statuses that every route may answer.
var ofAll = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

var routes = []route{
	{http.MethodPost, "/publish", (*server).publish, []int{200, 409, 413}},
	{http.MethodPost, "/batch", (*server).batch, []int{200, 413}},
	{http.MethodGet, "/history", (*server).history, []int{200, 409}},
	{http.MethodPost, "/state/set", change(push.StatePublisher.Set, true), []int{200, 409, 413, 429}},
	{http.MethodPost, "/state/append", change(push.StatePublisher.Append, true), []int{200, 409, 413, 429}},
	{http.MethodPost, "/state/touch", change(push.StatePublisher.Touch, false), []int{200, 409, 413}},
	{http.MethodGet, "/state", (*server).state, []int{200, 404, 409}},
	{http.MethodPost, "/state/delete", change(push.StatePublisher.Delete, false), []int{200, 409, 413}},
	{http.MethodGet, "/members", (*server).members, []int{200}},
	{http.MethodGet, "/connections", (*server).connections, []int{200}},
	{http.MethodPost, "/disconnect", (*server).disconnect, []int{204, 413}},
	{http.MethodPost, "/revoke", (*server).revoke, []int{204, 413, 429}},
	{http.MethodPost, "/restore", (*server).restore, []int{204, 413, 429}},
	{http.MethodGet, "/stats", (*server).stats, []int{200}},
}

// Routes returns the API, for chi's Mount. The description is openapi.json.
func Routes(hub *push.Hub, backends *access.Backends, description []byte) http.Handler {
	s := &server{hub, session.Of(hub), backends}
	r := chi.NewRouter()
	for _, route := range routes {
		r.Method(route.method, route.path, s.handler(route))
	}
	r.Get("/openapi.json", func(w http.ResponseWriter, _ *http.Request) { protocol.WriteJSON(w, http.StatusOK, description) })
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, http.StatusNotFound, errNoRoute) })
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, http.StatusMethodNotAllowed, errMethod) })
	return r
}

var (
	errNoRoute = push.NewError(push.CodeBadRequest, "the API has no such route; openapi.json beside it has all of them", nil)
	errMethod  = push.NewError(push.CodeBadRequest, "the route has another method: openapi.json has it", nil)
)

func (s *server) refuse(w http.ResponseWriter, r *http.Request, status int, e *push.Error) {
	protocol.RefuseAs(s.host, w, r, status, e)
}

func (s *server) handler(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "api" + route.path // for logs
		if r.ContentLength != 0 {
			protocol.TimeBody(w)
		}
		if len(r.TransferEncoding) > 0 { // as in package transport: RFC 9112 section 6.1
			w.Header().Set("Connection", "close")
		}
		answer, err := route.serve(s, w, r)
		e := push.AsError(err)
		switch {
		case e == errNoKey:
			s.refuse(w, r, http.StatusNotFound, errNoKey)
		case e != nil:
			s.refuse(w, r, e.Code.HTTPStatus(), e)
		case answer == nil:
			protocol.SetHeaders(w.Header())
			w.WriteHeader(http.StatusNoContent)
		default:
			protocol.WriteJSON(w, http.StatusOK, encode(answer))
		}
	})
}

// allow returns nil if the key of a request is for an operation, and for the topics.
func (s *server) allow(r *http.Request, operation string, topics ...string) error {
	return s.backends.Allow(r, operation, topics...)
}

func (s *server) allowRead(r *http.Request, topic string) error {
	return s.allow(r, config.Read, topic)
}
