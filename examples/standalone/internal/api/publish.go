package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// publication is the body of a publish: a message, to one topic or to several.
type publication struct {
	message
	Topics     list[string] `json:"topics"`
	Replicated bool         `json:"replicated"`
}

var errWhere = push.NewError(push.CodeBadRequest, "there is either topic or topics", nil)

func (s *server) publish(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := s.allow(r, config.Publish); err != nil {
		return nil, err
	}
	var p publication
	if err := readBody(w, r, &p); err != nil {
		return nil, err
	}
	m, err := p.read()
	if err != nil {
		return nil, err
	}
	m.Replicated = p.Replicated
	if p.Topics == nil {
		published, err := s.publishOne(r, m)
		return receiptOf(published), err
	}
	if p.Topic != "" {
		return nil, errWhere
	}
	if len(p.Topics) == 0 {
		return nil, errMany
	}
	if err := s.allow(r, config.Publish, p.Topics...); err != nil {
		return nil, err
	}
	if err := m.CheckParts(len(m.Data)); err != nil { // what is wrong for all topics alike
		return nil, err
	}
	results := make([]result, 0, len(p.Topics))
	for _, published := range s.hub.PublishAll(r.Context(), m, p.Topics...) {
		results = append(results, s.result(r, published.Topic, published.Receipt, published.Err))
	}
	return resultsOf{results}, nil
}

// publishOne publishes a message, if the key is for its topic.
func (s *server) publishOne(r *http.Request, m push.Message) (push.Receipt, error) {
	if err := s.allow(r, config.Publish, m.Topic); err != nil {
		return push.Receipt{}, err
	}
	return s.hub.Publish(r.Context(), m)
}

// result is what became of one message of several.
type result struct {
	Topic string `json:"topic"`
	*receipt
	Error json.RawMessage `json:"error,omitempty"`
}

type resultsOf struct {
	Results []result `json:"results"`
}

func (s *server) result(r *http.Request, topic string, published push.Receipt, err error) result {
	if err != nil {
		e := push.AsError(err)
		s.host.Refused(r, e)
		return result{Topic: topic, Error: protocol.HTTPError(e)}
	}
	receipt := receiptOf(published)
	return result{Topic: topic, receipt: &receipt}
}

// batchBody is the body of a batch.
type batchBody struct {
	Messages list[message] `json:"messages"`
}

// batch publishes messages in their order. An error of one doesn't stop the others, unless it
// says that the broker can't be reached: then the rest isn't tried, as each would wait.
func (s *server) batch(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := s.allow(r, config.Publish); err != nil {
		return nil, err
	}
	var body batchBody
	if err := readBody(w, r, &body); err != nil {
		return nil, err
	}
	if len(body.Messages) == 0 {
		return nil, errMany
	}
	results := make([]result, 0, len(body.Messages))
	var down error
	for i := range body.Messages {
		published, err := push.Receipt{}, down
		if down == nil {
			published, err = s.publishOf(r, &body.Messages[i])
		}
		if errors.Is(err, push.CodeUnavailable) || errors.Is(err, push.CodeTimeout) || errors.Is(err, context.Canceled) {
			down = err
		}
		results = append(results, s.result(r, body.Messages[i].Topic, published, err))
	}
	return resultsOf{results}, nil
}

func (s *server) publishOf(r *http.Request, body *message) (push.Receipt, error) {
	m, err := body.read()
	if err != nil {
		return push.Receipt{}, err
	}
	return s.publishOne(r, m)
}
