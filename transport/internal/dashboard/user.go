package dashboard

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push/session"
)

// userHandler answers with the connections of one user.
type userHandler struct {
	host *session.Host
	turn chan struct{} // one looks at a time, as that goes through all clients
}

// userBody is what it answers.
type userBody struct {
	User        string           `json:"user"`
	Connections int              `json:"connections"`
	Clients     []userConnection `json:"clients"` // the oldest
}

type userConnection struct {
	client
	Follows []userFollow `json:"follows"` // the first
}

// userFollow is a session.SurveyedFollow.
type userFollow struct {
	Topic       string `json:"topic"`
	State       bool   `json:"state"`
	Phase       string `json:"phase"`
	Offset      uint64 `json:"offset"`
	Head        uint64 `json:"head"`
	Lacking     int    `json:"lacking"`
	Queued      int    `json:"queued"`
	QueuedBytes int    `json:"queuedBytes"`
}

func (h *userHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if name == "" {
		refuse(w, http.StatusBadRequest, "which user? ask for user?name=NAME; anonymous clients can't be looked up")
		return
	}
	body, ok := h.lookUp(r.Context(), name)
	if !ok {
		return
	}
	setHeaders(w)
	w.Header().Set("Content-Type", "application/json")
	v := viewer{w, http.NewResponseController(w)}
	defer v.end()
	v.write(encoded(body)) // a viewer that has left needs no answer
}

// lookUp returns the connections of a user, unless the context ends before it is this lookup's
// turn.
func (h *userHandler) lookUp(ctx context.Context, name string) (body userBody, ok bool) {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return body, false
	}
	survey := h.host.SurveyUser(name)
	body = userBody{User: survey.User, Connections: survey.Connections, Clients: []userConnection{}}
	for i := range survey.Clients {
		c := &survey.Clients[i]
		connection := userConnection{clientOf(&c.SurveyedClient, time.Now()), []userFollow{}}
		for _, f := range c.Follows {
			connection.Follows = append(connection.Follows, userFollow{
				f.Topic, f.State, f.Phase, f.Offset, f.Head, f.Lacking, f.Queued, f.QueuedBytes,
			})
		}
		body.Clients = append(body.Clients, connection)
	}
	return body, true
}

// encoded returns JSON.
func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers can be encoded
	}
	return text
}
