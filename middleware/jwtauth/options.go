package jwtauth

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/push"
)

// Options configures an [Authenticator]. Algorithms, and Keys or KeySet, must be set; of all
// other fields the zero value is the production default.
type Options struct {
	// Keys verify tokens, by the kid in their headers; the key named "" is for
	// tokens without a kid. A key is
	//
	//   - []byte: a secret for HS256, HS384 and HS512, of random bytes, at least as
	//     many as the hash has: 32, 48 or 64
	//   - *rsa.PublicKey: for RS256 to RS512 and PS256 to PS512, with 2048 bits or more
	//   - *ecdsa.PublicKey: for ES256 with P-256, ES384 with P-384, ES512 with P-521
	//   - ed25519.PublicKey: for EdDSA
	//
	// and is used with no other algorithms than these, whatever a token says. ParseKey
	// reads the public ones.
	Keys map[string]any
	// KeySet has more keys, those of an issuer that publishes them. A kid among Keys is
	// that key. Nil: none.
	KeySet *KeySet
	// Algorithms are the ones that a token may be signed with, such as "ES256". Each
	// needs a key, and each key one of them; that there are keys in a KeySet isn't checked.
	Algorithms []string
	// Issuer is what a token's iss must be. Empty: anything.
	Issuer string
	// Audience is the name of this service, which must be among a token's aud. Empty:
	// only tokens that name no audience are for this service (RFC 7519 section
	// 4.1.3).
	Audience string
	// Leeway is how far the clocks of issuer and server may differ. Default 5 s;
	// negative is none. A connection lasts until exp and the hub's ten seconds of
	// grace, however large the leeway.
	Leeway time.Duration
	// Cookie is the name of a cookie that may hold the token instead of the header.
	// Empty: no cookie is looked at. Browsers send cookies whichever page has them
	// make the request; see push.Options.Origins.
	Cookie string
	// Anonymous lets requests without a token in, as the zero push.Identity. One with
	// a bad token is refused all the same.
	Anonymous bool
	// Rights is the name of the claim by which a token says what its user may do; see
	// [Authenticator.Authorize]. A token in which it has another form is bad. Empty: no
	// claim is looked at.
	Rights string
	// Claims makes an identity of the claims of a token that was found good; numbers
	// in them are float64. Its error refuses: as the *push.Error that it is, or else
	// like a bad token. It may shorten Expires; later than exp, or zero, it is set
	// to exp; Issued, if zero, is iat. Many goroutines call it at once. Default: User is sub,
	// which must be there, and Claims is the map.
	Claims func(ctx context.Context, claims map[string]any) (push.Identity, error)
}

const defaultLeeway = 5 * time.Second

func (o Options) withDefaults() Options {
	if o.Leeway == 0 {
		o.Leeway = defaultLeeway
	}
	o.Leeway = max(o.Leeway, 0)
	if o.Claims == nil {
		o.Claims = bySubject
	}
	return o
}

// bySubject is the default of Options.Claims.
func bySubject(_ context.Context, claims map[string]any) (push.Identity, error) {
	subject, _ := claims["sub"].(string)
	if subject == "" {
		return push.Identity{}, errSubject
	}
	return push.Identity{User: subject, Claims: claims}, nil
}
