package api

import (
	"context"
	"net/http"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// entry is a key of a state.
type entry struct {
	message
	Version string `json:"version"`
}

type entries struct {
	Entries []entry `json:"entries"`
	Cursor  string  `json:"cursor"`
}

var errNoKey = push.NewError(push.CodeBadRequest, "there is no such key", nil)

// state returns the keys of a state, or one.
func (s *server) state(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, e := protocol.Parameters(r, "topic", "key")
	if e != nil {
		return nil, e
	}
	topic := query.Get("topic")
	if err := s.allowRead(r, topic); err != nil {
		return nil, err
	}
	all, cursor, err := s.hub.State(r.Context(), topic)
	if err != nil {
		return nil, err
	}
	answer := entries{Entries: []entry{}, Cursor: cursor}
	for _, m := range all {
		if key := query.Get("key"); key != "" && key != m.Key {
			continue
		}
		e := entry{message: message{Key: m.Key}, Version: m.Version().String()}
		e.write(m)
		answer.Entries = append(answer.Entries, e)
	}
	if query.Has("key") && len(answer.Entries) == 0 {
		return nil, errNoKey
	}
	return answer, nil
}

// changeBody is the body of a change.
type changeBody struct {
	message
	TTL string `json:"ttl"`
	If  string `json:"if"`
}

// doer is one of the methods of a push.StatePublisher.
type doer = func(push.StatePublisher, context.Context, push.Message) (push.Receipt, error)

// change returns the handler of one kind of change, which has data or none.
func change(do doer, hasData bool) func(*server, http.ResponseWriter, *http.Request) (any, error) {
	return func(s *server, w http.ResponseWriter, r *http.Request) (any, error) {
		if err := s.allow(r, config.Publish); err != nil {
			return nil, err
		}
		var body changeBody
		if err := readBody(w, r, &body); err != nil {
			return nil, err
		}
		m, err := body.read(hasData)
		if err != nil {
			return nil, err
		}
		if err := s.allow(r, config.Publish, m.Topic); err != nil {
			return nil, err
		}
		changed, err := do(s.hub, r.Context(), m)
		if err != nil {
			return nil, err
		}
		receipt := receiptOf(changed)
		receipt.Version = changed.Version().String()
		return receipt, nil
	}
}

// read returns the change.
func (b *changeBody) read(hasData bool) (m push.Message, err error) {
	if hasData || b.Data != nil {
		m, err = b.message.read()
	} else {
		m = push.Message{ID: b.ID, Topic: b.Topic, Event: b.Event, Key: b.Key}
	}
	if err == nil {
		err = broker.CheckTopic(b.Topic)
	}
	if err != nil {
		return m, err
	}
	if m.TTL, err = duration(b.TTL); err != nil {
		return m, err
	}
	return m, condition(&m, b.If)
}
