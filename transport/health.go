package transport

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Healthz answers 200 as long as a restart of the process wouldn't help, and 503 otherwise;
// see [push.Health.Live]. It is for a liveness probe, never waits, and doesn't fail because
// the broker does.
func Healthz(hub *push.Hub) http.Handler {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return health(func(*http.Request) (push.Health, error) {
		h := hub.Health(ended)
		return h, h.Live()
	})
}

// Readyz answers 200 as long as new clients are welcome, and 503 while the hub drains, the
// broker fails or there is no memory for more clients; see [push.Health.Ready]. It is for a
// readiness probe or a balancer, and answers within a second.
//
// The body of both is JSON that says why, for people; a later version may have more in it. It
// has no addresses, names or secrets, but it says how full the hub is and what is mounted
// wrongly, so it is better served where only operators and balancers come.
func Readyz(hub *push.Hub) http.Handler {
	return health(func(r *http.Request) (push.Health, error) {
		ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
		defer cancel()
		h := hub.Health(ctx)
		return h, h.Ready()
	})
}

// readyPatience is less than the second after which the probes of Kubernetes give up.
const readyPatience = 800 * time.Millisecond

// healthBody is what Healthz and Readyz answer.
type healthBody struct {
	Status   string       `json:"status"`
	Reason   string       `json:"reason,omitempty"`
	Draining bool         `json:"draining"`
	Broker   brokerHealth `json:"broker"`
	Memory   memoryHealth `json:"memory"`
	Warnings []string     `json:"warnings,omitempty"`
}

type brokerHealth struct {
	Status string     `json:"status"`
	Reason string     `json:"reason,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
}

type memoryHealth struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
}

// health answers with how a hub is, and with whether that will do.
func health(ask func(*http.Request) (push.Health, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			protocol.WriteJSON(w, http.StatusMethodNotAllowed, nil)
			return
		}
		h, err := ask(r)
		body := healthBody{
			Status: "ok", Draining: h.Draining, Broker: brokerHealth{Status: "ok"},
			Memory: memoryHealth{Used: h.Memory, Limit: h.MemoryLimit}, Warnings: h.Warnings,
		}
		if h.Broker != nil { // the cause, which may have addresses, is for the log
			body.Broker = brokerHealth{"failing", push.AsError(h.Broker).Reason, &h.BrokerSince}
		}
		status := http.StatusOK
		if err != nil {
			status, body.Status, body.Reason = http.StatusServiceUnavailable, "unavailable", push.AsError(err).Reason
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			panic(err) // texts, numbers and a time can be encoded
		}
		protocol.WriteJSON(w, status, append(encoded, '\n'))
	})
}
