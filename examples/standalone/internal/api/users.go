package api

import (
	"net/http"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

type connectionsOf struct {
	Connections int `json:"connections"`
}

// connections counts those of a user, on all instances.
func (s *server) connections(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, e := protocol.Parameters(r, "user")
	if e != nil {
		return nil, e
	}
	if err := s.allow(r, config.Users); err != nil {
		return nil, err
	}
	if query.Get("user") == "" {
		return nil, push.NewError(push.CodeBadRequest, "user is missing in the query", nil)
	}
	n, err := s.hub.Connections(r.Context(), query.Get("user"))
	return connectionsOf{n}, err
}

// target is whom a request is about.
type target struct {
	User    string `json:"user"`
	Session string `json:"session"`
	Topic   string `json:"topic"`
	For     string `json:"for"`
}

// target reads the body of a request. If it names a topic, the key must be for that.
func (s *server) target(w http.ResponseWriter, r *http.Request) (t target, err error) {
	if err := s.allow(r, config.Users); err != nil {
		return t, err
	}
	if err := readBody(w, r, &t); err != nil {
		return t, err
	}
	if t.Topic != "" {
		return t, s.allow(r, config.Users, t.Topic)
	}
	return t, nil
}

var errTarget = push.NewError(push.CodeBadRequest, "there is either a user or a session, and nothing else", nil)

// disconnect asks clients to reconnect.
func (s *server) disconnect(w http.ResponseWriter, r *http.Request) (any, error) {
	t, err := s.target(w, r)
	switch {
	case err != nil:
		return nil, err
	case t.Topic != "", t.For != "", (t.User == "") == (t.Session == ""):
		return nil, errTarget
	case t.User != "":
		return nil, s.hub.Disconnect(r.Context(), t.User)
	default:
		return nil, s.hub.DisconnectSession(r.Context(), t.Session)
	}
}

func (s *server) revocation(w http.ResponseWriter, r *http.Request) (push.Revocation, error) {
	t, err := s.target(w, r)
	if err != nil {
		return push.Revocation{}, err
	}
	lasts, err := duration(t.For)
	return push.Revocation{User: t.User, Session: t.Session, Topic: t.Topic, For: lasts}, err
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request) (any, error) {
	revocation, err := s.revocation(w, r)
	if err != nil {
		return nil, err
	}
	return nil, s.hub.Revoke(r.Context(), revocation)
}

func (s *server) restore(w http.ResponseWriter, r *http.Request) (any, error) {
	revocation, err := s.revocation(w, r)
	if err != nil {
		return nil, err
	}
	return nil, s.hub.Restore(r.Context(), revocation)
}
