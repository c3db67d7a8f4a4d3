package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// stored is a message of a history.
type stored struct {
	message
	Time   int64  `json:"time"` // in milliseconds since 1970
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

type historyOf struct {
	Messages []stored `json:"messages"`
	Cursor   string   `json:"cursor"`
}

const (
	standardHistory = 100
	maxHistory      = 1000
)

var errLimit = push.NewError(push.CodeBadRequest, "limit is a number from 1 to 1000", nil)

// history returns the last messages of a topic.
func (s *server) history(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, e := protocol.Parameters(r, "topic", "limit")
	if e != nil {
		return nil, e
	}
	topic, limit := query.Get("topic"), standardHistory
	if err := s.allowRead(r, topic); err != nil {
		return nil, err
	}
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 1 || n > maxHistory {
			return nil, errLimit
		}
		limit = n
	}
	all, cursor, err := s.hub.Recent(r.Context(), topic, limit)
	if err != nil {
		return nil, err
	}
	answer := historyOf{Messages: []stored{}, Cursor: cursor}
	for _, m := range all {
		one := stored{message: message{Event: m.Event, Key: m.Key}, Time: m.Time.UnixMilli(), Epoch: m.Epoch.String(), Offset: m.Offset}
		if m.Named {
			one.ID = m.ID
		}
		one.write(m)
		answer.Messages = append(answer.Messages, one)
	}
	return answer, nil
}

// member is who follows a topic.
type member struct {
	Key   string          `json:"key"`
	User  string          `json:"user,omitempty"`
	Since int64           `json:"since"`
	Info  json.RawMessage `json:"info,omitempty"`
}

type membersOf struct {
	Members []member `json:"members"`
}

func (s *server) members(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, e := protocol.Parameters(r, "topic")
	if e != nil {
		return nil, e
	}
	if err := s.allowRead(r, query.Get("topic")); err != nil {
		return nil, err
	}
	all, err := s.hub.Members(r.Context(), query.Get("topic"))
	if err != nil {
		return nil, err
	}
	answer := membersOf{[]member{}}
	for _, m := range all {
		var one member
		if err := json.Unmarshal(m.Data, &one); err != nil {
			return nil, err
		}
		one.Key = m.Key
		answer.Members = append(answer.Members, one)
	}
	return answer, nil
}
