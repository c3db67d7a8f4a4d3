// Package jwtauth tells who makes a request by a JSON Web Token (RFC 7519), which
// comes in the header Authorization: Bearer, or in a cookie:
//
//	auth, err := jwtauth.New(jwtauth.Options{
//		Keys:       map[string]any{"2026": publicKey},
//		Algorithms: []string{"ES256"},
//		Issuer:     "https://login.example.com",
//		Audience:   "push",
//	})
//	hub := push.New(broker, push.Options{Identify: auth.Identify, Authorize: mayFollow})
//
// What the application has besides can use the same tokens, by [Authenticator.Middleware].
// A token is never read from a URL. docs/authentication.md is the guide.
package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/push"
)

// Authenticator verifies tokens. It may be used by many goroutines at once.
type Authenticator struct {
	options Options
	keys    map[string]any
	parser  *jwt.Parser
}

// New makes an Authenticator. The error tells what is wrong with the options: an
// algorithm that is unknown or has no key, a key that is too weak or has no
// algorithm.
func New(options Options) (*Authenticator, error) {
	o := options.withDefaults()
	keys, err := checkKeys(o.Keys, o.Algorithms, o.KeySet != nil)
	if err != nil {
		return nil, fmt.Errorf("jwtauth: %w", err)
	}
	rules := []jwt.ParserOption{
		jwt.WithValidMethods(slices.Clone(o.Algorithms)),
		jwt.WithLeeway(o.Leeway),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(),
	}
	if o.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		rules = append(rules, jwt.WithAudience(o.Audience))
	}
	return &Authenticator{options: o, keys: keys, parser: jwt.NewParser(rules...)}, nil
}

var _ func(r *http.Request) (push.Identity, error) = (*Authenticator)(nil).Identify

// Identify tells who makes a request; it is for push.Options.Identify. Its errors
// are *push.Error. The reason is the same for every bad token; the cause says what
// is wrong, for the log, and repeats nothing of the token.
func (a *Authenticator) Identify(r *http.Request) (push.Identity, error) {
	token, err := a.token(r)
	switch {
	case err != nil:
		return push.Identity{}, err
	case token != "":
		return a.verify(r.Context(), token)
	case a.options.Anonymous:
		return push.Identity{}, nil
	default:
		return push.Identity{}, push.NewError(push.CodeUnauthenticated, "", nil)
	}
}

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 8 << 10

// maxDate is the last second of the year 9999. Far beyond it a number doesn't fit a
// time.Time any more, and would come out as a time in the past.
const maxDate = 253402300799

// verify returns the identity that a token proves.
func (a *Authenticator) verify(ctx context.Context, token string) (push.Identity, error) {
	if len(token) > maxToken {
		return push.Identity{}, badToken(errLong)
	}
	claims := jwt.MapClaims{}
	var unknown *push.Error // whether the token is good
	_, err := a.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		key, err := a.key(ctx, t)
		unknown, _ = errors.AsType[*push.Error](err)
		return key, err
	})
	switch {
	case unknown != nil:
		return push.Identity{}, unknown
	case err != nil:
		return push.Identity{}, badToken(causeOf(err))
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if date, ok := claims[name].(float64); ok && math.Abs(date) > maxDate {
			return push.Identity{}, badToken(errDate)
		}
	}
	if _, given := claims["aud"]; given && a.options.Audience == "" {
		return push.Identity{}, badToken(errAudience)
	}
	if rights, given := claims[a.options.Rights]; given && a.options.Rights != "" {
		if err := checkRights(rights); err != nil {
			return push.Identity{}, badToken(err)
		}
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil { // the parser has seen to that
		return push.Identity{}, badToken(jwt.ErrTokenRequiredClaimMissing)
	}
	var issued time.Time
	if iat, err := claims.GetIssuedAt(); err == nil && iat != nil {
		issued = iat.Time
	}
	return a.identity(ctx, claims, expires.Time, issued)
}

// identity asks Options.Claims who somebody is who is known until the token expires.
func (a *Authenticator) identity(ctx context.Context, claims map[string]any, expires, issued time.Time) (push.Identity, error) {
	id, err := a.options.Claims(ctx, claims)
	if err != nil {
		if e := push.AsError(err); e.Code != push.CodeInternal {
			return push.Identity{}, e
		}
		return push.Identity{}, badToken(err)
	}
	if id.Expires.IsZero() || id.Expires.After(expires) {
		id.Expires = expires
	}
	if id.Issued.IsZero() {
		id.Issued = issued
	}
	return id, nil
}

// key finds the key for a token whose algorithm we allow. It is the token that
// names key and algorithm, so that they go together has to be checked here.
func (a *Authenticator) key(ctx context.Context, t *jwt.Token) (any, error) {
	if _, given := t.Header["crit"]; given { // no extension is understood here: RFC 7515 section 4.1.11
		return nil, errCritical
	}
	kid, given := t.Header["kid"]
	if !given {
		kid = ""
	}
	name, ok := kid.(string)
	key, known := a.keys[name]
	switch {
	case !ok, !known && (a.options.KeySet == nil || !isPublic(t.Method)):
		return nil, errKey
	case !known:
		return a.options.KeySet.key(ctx, name, t.Method)
	}
	if !suits(key, t.Method) {
		return nil, errKind
	}
	return key, nil
}
