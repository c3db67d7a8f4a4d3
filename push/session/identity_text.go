package session

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/tidewire/tidewire/push"
)

// identityText is an identity on its way from one instance to another, sealed against
// everybody who may read or write what is stored.
type identityText struct {
	User    string          `json:"user,omitempty"`
	Issued  time.Time       `json:"issued,omitzero"`
	Expires time.Time       `json:"expires,omitzero"`
	Claims  json.RawMessage `json:"claims,omitempty"`
}

// encodeIdentity writes an identity so that decodeIdentity gives the same, or fails.
func (h *Host) encodeIdentity(id push.Identity) ([]byte, error) {
	out := identityText{User: id.User, Issued: id.Issued, Expires: id.Expires}
	if id.Claims != nil {
		claims, err := json.Marshal(id.Claims)
		if err != nil {
			return nil, fmt.Errorf("claims of type %T can't become JSON: %w", id.Claims, err)
		}
		out.Claims = claims
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	back, err := h.decodeIdentity(text)
	switch {
	case err != nil:
		return nil, err
	case back.User != id.User:
		return nil, fmt.Errorf("the user's name isn't UTF-8")
	case h.options.DecodeClaims == nil && !reflect.DeepEqual(back.Claims, id.Claims):
		return nil, fmt.Errorf("claims of type %T would be others on another instance; set push.Options.DecodeClaims", id.Claims)
	}
	return text, nil
}

// decodeIdentity asks the application for its claims.
func (h *Host) decodeIdentity(text []byte) (push.Identity, error) {
	var in identityText
	if err := json.Unmarshal(text, &in); err != nil {
		return push.Identity{}, err
	}
	id := push.Identity{User: in.User, Issued: in.Issued, Expires: in.Expires}
	if in.Claims == nil {
		return id, nil
	}
	claims, err := guarded(h, func() (claims any, err error) {
		if h.options.DecodeClaims != nil {
			return h.options.DecodeClaims(in.Claims)
		}
		err = json.Unmarshal(in.Claims, &claims)
		return claims, err
	})
	id.Claims = claims
	return id, err
}
