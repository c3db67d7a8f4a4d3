package transport

import (
	"net/http"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/internal/dashboard"
)

// Dashboard returns the live page of a hub for operators: its figures and graphs of the last
// two minutes, its slowest clients, its busiest topics, and the connections of one user. Mount
// it behind your own authentication, where only operators come:
//
//	mux.Handle("/dashboard/", operatorsOnly(transport.Dashboard(hub)))
//
// It asks nobody who they are, and it shows names of users and topics and addresses of
// clients. It changes nothing, and has neither tokens nor messages nor cursors. What it shows
// is of this instance.
//
// It can be mounted as [Routes] can. While a page is open, it looks at all clients and topics
// once a second, whatever the number of pages, of which there may be 32. While none is open it
// costs nothing. When the hub drains, or the server shuts down, it lets go of its requests.
func Dashboard(hub *push.Hub) http.Handler {
	return &mount{
		routes: dashboard.Routes(hub),
		nothing: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "nothing is here: the dashboard is right at the path of its mount", http.StatusNotFound)
		}),
	}
}
