package api

import (
	"maps"
	"net/http"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// figures are the figures of this instance: what is now, and what was counted since it
// started.
type figures struct {
	Connections int    `json:"connections"`
	Topics      int    `json:"topics"`
	Revocations int    `json:"revocations"`
	Memory      int64  `json:"memory"`
	Published   uint64 `json:"published"`
	Delivered   uint64 `json:"delivered"`
	Replayed    uint64 `json:"replayed"`
	Gaps        uint64 `json:"gaps"`
	Lagged      uint64 `json:"lagged"`
	Shed        uint64 `json:"shed"`
	// Closed and Refused are by code.
	Closed  map[push.Code]uint64 `json:"closed"`
	Refused map[push.Code]uint64 `json:"refused"`
}

func (s *server) stats(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, e := protocol.Parameters(r); e != nil {
		return nil, e
	}
	if err := s.allow(r, config.Stats); err != nil {
		return nil, err
	}
	now := s.hub.Stats()
	closed, refused := map[push.Code]uint64{}, map[push.Code]uint64{}
	maps.Copy(refused, now.Refused)
	for code, n := range now.Closed {
		if code == "" {
			code = "left"
		}
		closed[code] = n
	}
	return figures{
		now.Sessions, now.Topics, now.Revocations, now.Memory, now.Published, now.Delivered, now.Replayed, now.Gaps, now.Lagged, now.Shed,
		closed, refused,
	}, nil
}
