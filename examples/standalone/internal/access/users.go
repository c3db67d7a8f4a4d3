// Package access says who may do what on the standalone server: users, by their tokens and
// the rules of the configuration, and backends, by their keys.
package access

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
)

// Users are those that follow and send.
type Users struct {
	anyone, relay bool
	rules         []rule
	tokens        *jwtauth.Authenticator // nil: everybody is anonymous
	// KeySet are the keys that are fetched by URL; nil if none are.
	KeySet *jwtauth.KeySet
}

// NewUsers reads the files that the configuration names.
func NewUsers(c *config.Config) (*Users, error) {
	u := &Users{anyone: c.Anyone, relay: c.Relay, rules: newRules(c.Access)}
	if !c.JWT.IsOn() {
		return u, nil
	}
	options := jwtauth.Options{
		Algorithms: c.JWT.Algorithms, Issuer: c.JWT.Issuer, Audience: c.JWT.Audience, Cookie: c.JWT.Cookie, Rights: c.JWT.Claim,
		Leeway:    time.Duration(c.JWT.Leeway),
		Anonymous: u.anyone || u.servesAnonymous(),
	}
	var err error
	if options.Keys, err = keys(&c.JWT); err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	if c.JWT.JWKS != "" {
		if u.KeySet, err = jwtauth.NewKeySet(jwtauth.KeySetOptions{URL: c.JWT.JWKS, Insecure: c.JWT.Insecure}); err != nil {
			return nil, err
		}
		options.KeySet = u.KeySet
	}
	u.tokens, err = jwtauth.New(options)
	return u, err
}

// keys reads the keys that the configuration itself has.
func keys(c *config.JWT) (map[string]any, error) {
	keys := map[string]any{}
	for _, key := range c.Keys {
		text, err := os.ReadFile(key.File)
		if err != nil {
			return nil, err
		}
		if keys[key.ID], err = jwtauth.ParseKey(text); err != nil {
			return nil, fmt.Errorf("%s: %w", key.File, err)
		}
	}
	secret, err := secretOf(c.Secret, c.SecretFile)
	if err != nil || secret == nil {
		return keys, err
	}
	if _, taken := keys[""]; taken {
		return nil, fmt.Errorf("a key without an id stands beside a secret; give it one")
	}
	keys[""] = secret
	return keys, nil
}

// secretOf returns a secret that is in the configuration or in a file; nil if there is none.
func secretOf(text, file string) ([]byte, error) {
	if file == "" {
		if text == "" {
			return nil, nil
		}
		return []byte(text), nil
	}
	secret, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	if secret = bytes.TrimSpace(secret); len(secret) == 0 {
		return nil, fmt.Errorf("%s is empty", file)
	}
	return secret, nil
}

// Nobody reports whether no client may do anything.
func (u *Users) Nobody() bool { return !u.anyone && u.tokens == nil && len(u.rules) == 0 }

// Options fills who may do what. Without tokens everybody is anonymous.
func (u *Users) Options(o *push.Options) {
	if u.tokens != nil {
		o.Identify = u.tokens.Identify
	}
	if !u.Nobody() { // else Authorize is nil, which refuses everybody
		o.Authorize = u.authorize
	}
}

// Send reports whether there is anybody who may send.
func (u *Users) Send() bool {
	if u.relay || u.tokens != nil {
		return true
	}
	for _, rule := range u.rules {
		if rule.Send != "" {
			return true
		}
	}
	return false
}
