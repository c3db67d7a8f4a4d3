package transport

import (
	"net/http"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// maxPostTopics is how many topics a POST may publish to.
const maxPostTopics = 100

// publishHandler takes messages of backends, and changes of states.
type publishHandler struct {
	hub     *push.Hub
	host    *session.Host
	options Options
}

func (h *publishHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(h.host, w, r, http.MethodPost) {
		return
	}
	answer, err := h.publish(w, r)
	if err != nil {
		protocol.Refuse(h.host, w, r, push.AsError(err))
		return
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

// publish returns the answer to a request. An error is about the request as a whole: with
// several topics, whatever concerns one of them is in the answer.
func (h *publishHandler) publish(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	query, e := protocol.TopicParameters(r, maxPostTopics, "topic", "event", "key", "id", "op", "ttl", "if")
	if e != nil {
		return nil, e
	}
	topics := query["topic"]
	refused, allowed, err := h.authorize(r, topics)
	if err != nil {
		return nil, err
	}
	m, err := readMessage(w, r, query, h.options.MaxPublish)
	if err != nil {
		return nil, err
	}
	if err := readChange(&m, query); err != nil {
		return nil, err
	}
	if len(topics) == 1 {
		receipt, err := h.hub.Publish(r.Context(), m)
		if err != nil {
			return nil, err
		}
		return protocol.HTTPReceipt(receipt), nil
	}
	if err := m.CheckParts(len(m.Data)); err != nil { // what is wrong for all topics alike
		return nil, err
	}
	published := h.hub.PublishAll(r.Context(), m, allowed...)
	all := make([]push.Published, 0, len(topics))
	for _, topic := range topics {
		p := push.Published{Topic: topic, Err: refused[topic]}
		if p.Err == nil {
			p, published = published[0], published[1:]
		}
		if p.Err != nil {
			h.host.Refused(r, push.AsError(p.Err))
		}
		all = append(all, p)
	}
	return protocol.HTTPPublished(all), nil
}

// authorize asks about each topic. If none is allowed, or none is named, the error is what
// was said of the first, as credentials that are missing or wrong are the request's.
func (h *publishHandler) authorize(r *http.Request, topics []string) (refused map[string]error, allowed []string, err error) {
	if len(topics) == 0 {
		return nil, nil, h.allows(r, "")
	}
	refused = map[string]error{}
	for _, topic := range topics {
		if err := h.allows(r, topic); err != nil {
			refused[topic] = err
		} else {
			allowed = append(allowed, topic)
		}
	}
	if len(allowed) == 0 {
		err = refused[topics[0]]
	}
	return refused, allowed, err
}

func (h *publishHandler) allows(r *http.Request, topic string) error {
	return session.Refusal(h.options.AuthorizePublish(r, topic), push.CodeForbidden)
}
