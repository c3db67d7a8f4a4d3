package access

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
)

// Backends are those that have a key.
type Backends struct {
	keys map[[sha256.Size]byte]*scope // by the hash of the key, so that looking one up tells nothing of the others
}

// scope is what a key is for.
type scope struct {
	name       string
	operations []string
	topics     []broker.Pattern
}

// NewBackends reads the files that the configuration names.
func NewBackends(c *config.Config) (*Backends, error) {
	b := &Backends{map[[sha256.Size]byte]*scope{}}
	if c.PublishKey != "" {
		b.keys[sha256.Sum256([]byte(c.PublishKey))] = &scope{
			"publishKey", []string{config.Publish, config.Read, config.Users, config.Stats},
			[]broker.Pattern{broker.MustParsePattern("{all...}")},
		}
	}
	for _, key := range c.PublishKeys {
		secret, err := secretOf(key.Key, key.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("publish key %s: %w", key.Name, err)
		}
		hash := sha256.Sum256(secret)
		if other := b.keys[hash]; other != nil {
			return nil, fmt.Errorf("the publish keys %s and %s are the same", other.name, key.Name)
		}
		s := &scope{name: key.Name, operations: key.Operations}
		for _, pattern := range key.Topics {
			s.topics = append(s.topics, broker.MustParsePattern(pattern)) // Check has seen it
		}
		b.keys[hash] = s
	}
	return b, nil
}

var (
	errNoKeys = push.NewError(push.CodeForbidden, "the API is off: this server has no publish key", nil)
	errKey    = push.NewError(push.CodeUnauthenticated, "backends need Authorization: Bearer KEY", nil)
	errScope  = push.NewError(push.CodeForbidden, "the key isn't for this operation", nil)
	errTopic  = push.NewError(push.CodeForbidden, "the key isn't for this topic", nil)
)

// Allow returns nil if the key of a request is for an operation, and for the topics.
func (b *Backends) Allow(r *http.Request, operation string, topics ...string) error {
	if len(b.keys) == 0 {
		return errNoKeys
	}
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return errKey
	}
	scheme, key, _ := strings.Cut(headers[0], " ")
	s := b.keys[sha256.Sum256([]byte(key))]
	if !strings.EqualFold(scheme, "Bearer") || s == nil {
		return errKey
	}
	if !slices.Contains(s.operations, operation) {
		return errScope
	}
	for _, topic := range topics {
		if !s.has(topic) {
			return errTopic
		}
	}
	return nil
}

func (s *scope) has(topic string) bool {
	return slices.ContainsFunc(s.topics, func(p broker.Pattern) bool { _, ok := p.Match(topic, ""); return ok })
}
