package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/push"
)

// KeySetOptions configures a [KeySet]. URL must be set; of all other fields the zero value
// is the production default.
type KeySetOptions struct {
	// URL is where the issuer publishes its keys (RFC 7517 section 5), by https. Plain http
	// is for loopback addresses, unless Insecure allows it: whoever is on the way could
	// give keys of their own.
	URL      string
	Insecure bool
	// Client makes the requests; it is used with a timeout, and follows no redirects.
	// Default http.DefaultClient's transport.
	Client *http.Client
	// Refresh is how old keys may be before a request fetches them again, while all others
	// go on with those that are known. Default 10 minutes.
	Refresh time.Duration
	// Keep is how old keys may be while they can't be fetched. Past it nobody is let in.
	// Default 24 hours.
	Keep time.Duration
	// Pause is the least time between two fetches, whatever the reason: a token with a kid
	// that isn't known leads to one, and anybody can make such tokens. Default 10 s.
	Pause time.Duration
	// Timeout is for each fetch. Default 4 s, which is within push.Options.AccessTimeout.
	Timeout time.Duration
	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger
}

// maxSet is the largest set that is read, in bytes.
const maxSet = 512 << 10

// KeySet are the keys of an issuer, fetched from a URL and kept. They are fetched with the
// first token, again when they are old, and when a token names one that isn't known, which
// is how an issuer changes keys. It needs no goroutine and no Close. It may be used by many
// goroutines, and by several Authenticators.
type KeySet struct {
	// static
	options KeySetOptions
	host    string // of the URL, for the log
	client  http.Client

	mu      sync.Mutex // guards the rest
	keys    []setKey
	fetched time.Time     // when keys was
	tried   time.Time     // when the last fetch began
	busy    chan struct{} // closed at the end of the fetch that is under way; nil if none is
}

// NewKeySet makes a KeySet. It fetches nothing yet; see [KeySet.Fetch].
func NewKeySet(options KeySetOptions) (*KeySet, error) {
	u, err := url.Parse(options.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("jwtauth: a key set needs a URL with https")
	case u.Scheme == "http" && !options.Insecure && !isLoopback(u.Hostname()):
		return nil, errors.New("jwtauth: keys that come by plain http may be anybody's; use https, or KeySetOptions.Insecure")
	}
	positive(&options.Refresh, 10*time.Minute)
	positive(&options.Keep, 24*time.Hour)
	positive(&options.Pause, 10*time.Second)
	positive(&options.Timeout, 4*time.Second)
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	s := &KeySet{options: options, host: u.Host}
	if options.Client != nil {
		s.client = *options.Client
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s, nil
}

func positive(d *time.Duration, standard time.Duration) {
	if *d <= 0 {
		*d = standard
	}
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Fetch fetches the keys now, so that a program can refuse to start without them.
func (s *KeySet) Fetch(ctx context.Context) error {
	s.mu.Lock()
	for s.busy != nil {
		busy := s.busy
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
	}
	s.begin()
	s.mu.Unlock()
	return s.fetch(ctx)
}

// key returns the key for a token's kid and method. An error that is a *push.Error says that
// it isn't known now whether the token is good.
func (s *KeySet) key(ctx context.Context, kid string, method jwt.SigningMethod) (any, error) {
	l := s.look(kid, method)
	switch {
	case l.begun:
		// The request may end, the keys are for all.
		if failed := s.fetch(context.WithoutCancel(ctx)); failed != nil {
			s.options.Logger.Warn("jwtauth: the issuer's keys can't be fetched", "host", s.host, "error", failed)
		}
	case l.wait != nil:
		select {
		case <-l.wait:
		case <-ctx.Done():
			return nil, errNoKeys
		}
	default:
		return l.key, l.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(kid, method)
}

// lookup is what is known of a key at once: a fetch that the caller has to do (begun), one
// by another to wait for, or else the key.
type lookup struct {
	begun bool
	wait  chan struct{}
	key   any
	err   error
}

func (s *KeySet) look(kid string, method jwt.SigningMethod) lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	key, err := s.find(kid, method)
	isOld := now.Sub(s.fetched) >= s.options.Refresh
	isPaused := !s.tried.IsZero() && now.Sub(s.tried) < s.options.Pause
	switch {
	case err == nil && (!isOld || s.busy != nil), errors.Is(err, errKind):
		return lookup{key: key, err: err}
	case s.busy != nil:
		return lookup{wait: s.busy}
	case isPaused:
		return lookup{key: key, err: err}
	default:
		s.begin()
		return lookup{begun: true}
	}
}

// find finds a key among those that are not too old. The caller holds the lock.
func (s *KeySet) find(kid string, method jwt.SigningMethod) (any, error) {
	if s.keys == nil || time.Since(s.fetched) >= s.options.Keep {
		return nil, errNoKeys
	}
	return find(s.keys, kid, method)
}

var errNoKeys = push.NewError(push.CodeUnavailable, "the keys that verify tokens can't be fetched now", nil)

// begin begins a fetch. The caller holds the lock.
func (s *KeySet) begin() { s.busy, s.tried = make(chan struct{}), time.Now() }

// fetch does the fetch that has begun.
func (s *KeySet) fetch(ctx context.Context) error {
	defer s.end()
	keys, err := s.get(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.fetched = keys, time.Now()
	return nil
}

func (s *KeySet) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.busy)
	s.busy = nil
}

// get requests the keys.
func (s *KeySet) get(ctx context.Context) ([]setKey, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.options.URL, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSet {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxSet)
	}
	return parseSet(text)
}
