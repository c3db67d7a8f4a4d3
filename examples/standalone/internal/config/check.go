package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/tidewire/tidewire/broker"
)

// Operations of a publish key.
const (
	Publish = "publish" // publish messages, and change states
	Read    = "read"    // read histories, states and members
	Users   = "users"   // disconnect, revoke, restore, and count connections
	Stats   = "stats"   // read the figures
)

var operations = []string{Publish, Read, Users, Stats}

// What an AccessRule may say, besides a wildcard.
const (
	Anyone  = "anyone"
	AnyUser = "users"
)

// errs collects errors, each about a setting.
type errs []error

func (e *errs) add(name, format string, args ...any) {
	*e = append(*e, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

func (e *errs) pattern(name, text string) broker.Pattern {
	pattern, err := broker.ParsePattern(text)
	if err != nil {
		e.add(name, "the pattern %q: %w", text, err)
	}
	return pattern
}

// sendable adds an error about a key that no header can have.
func (e *errs) sendable(name, key string) {
	if strings.TrimSpace(key) != key || strings.ContainsFunc(key, unicode.IsControl) {
		e.add(name, "a key has no white space around it, and no control characters: it is sent in a header")
	}
}

// Check returns all that is wrong with the configuration by itself. Files that it names are
// not read.
func (c *Config) Check() error {
	var e errs
	for _, pattern := range c.State {
		e.pattern("state", pattern)
	}
	for _, pattern := range c.Presence {
		e.pattern("presence", pattern)
	}
	for i, rule := range c.Topics {
		e.pattern(fmt.Sprintf("topics[%d]", i), rule.Pattern)
	}
	for i, rule := range c.Access {
		rule.check(&e, fmt.Sprintf("access[%d]", i))
	}
	c.checkKeys(&e)
	if _, err := c.Prefixes(); err != nil {
		e = append(e, err)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		e.add("tls", "certFile and keyFile go together")
	}
	if c.Drain.Delay < 0 || c.Drain.Window < 0 {
		e.add("drain", "a time is not negative")
	}
	c.JWT.check(&e)
	return errors.Join(e...)
}

func (rule *AccessRule) check(e *errs, name string) {
	pattern := e.pattern(name, rule.Pattern)
	for _, who := range []string{rule.Follow, rule.Send, rule.Members} {
		if who == "" || who == Anyone || who == AnyUser {
			continue
		}
		if wildcard, ok := Wildcard(who); !ok || !pattern.Names(wildcard) {
			e.add(name, "%q is neither anyone, users nor a wildcard of the pattern", who)
		}
	}
}

// Wildcard returns the name in a text such as {user}.
func Wildcard(who string) (name string, ok bool) {
	name, isOpen := strings.CutPrefix(who, "{")
	name, isClosed := strings.CutSuffix(name, "}")
	return name, isOpen && isClosed
}

func (c *Config) checkKeys(e *errs) {
	e.sendable("publishKey", c.PublishKey)
	names := map[string]bool{}
	for i, key := range c.PublishKeys {
		at := fmt.Sprintf("publishKeys[%d]", i)
		if key.Name == "" || names[key.Name] {
			e.add(at, "a key has a name of its own")
		}
		names[key.Name] = true
		if (key.Key == "") == (key.KeyFile == "") {
			e.add(at, "a key has either key or keyFile")
		}
		e.sendable(at, key.Key)
		if len(key.Operations) == 0 {
			e.add(at, "a key is for some of the operations %s", strings.Join(operations, ", "))
		}
		for _, operation := range key.Operations {
			if !slices.Contains(operations, operation) {
				e.add(at, "the operation %q is none of %s", operation, strings.Join(operations, ", "))
			}
		}
		aboutTopics := slices.Contains(key.Operations, Publish) || slices.Contains(key.Operations, Read)
		if aboutTopics && len(key.Topics) == 0 {
			e.add(at, "a key to publish or read names topics; {all...} is every topic")
		}
		for _, pattern := range key.Topics {
			e.pattern(at, pattern)
		}
	}
}

// Prefixes are the networks of the setting proxies.
func (c *Config) Prefixes() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range c.Proxies {
		if addr, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("proxies: %q is neither an address nor a network", text)
		}
		all = append(all, prefix)
	}
	return all, nil
}

// IsOn reports whether users are known by tokens.
func (j *JWT) IsOn() bool { return j.hasKey() || len(j.Algorithms) > 0 }

func (j *JWT) hasKey() bool {
	return j.Secret != "" || j.SecretFile != "" || len(j.Keys) > 0 || j.JWKS != ""
}

func (j *JWT) check(e *errs) {
	switch {
	case j.Secret != "" && j.SecretFile != "":
		e.add("jwt", "there is either secret or secretFile")
	case j.hasKey() && len(j.Algorithms) == 0:
		e.add("jwt", `a key needs algorithms that it is for, as in "algorithms": ["RS256"]`)
	case !j.hasKey() && len(j.Algorithms) > 0:
		e.add("jwt", "algorithms need a key: secret, secretFile, keys or jwks")
	}
	ids := map[string]bool{}
	for i, key := range j.Keys {
		at := fmt.Sprintf("jwt.keys[%d]", i)
		if key.File == "" {
			e.add(at, "a key has a file")
		}
		if ids[key.ID] {
			e.add(at, "two keys have the id %q", key.ID)
		}
		ids[key.ID] = true
	}
}
