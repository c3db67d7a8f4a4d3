package jwtauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxSetKeys = 100  // of a set; the others are left out
	maxRSABits = 8192 // a larger key takes long for each token
)

// jwk is a JSON Web Key (RFC 7517), as far as it is looked at.
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	Curve      string   `json:"crv"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
}

// setKey is a public key of a set.
type setKey struct {
	id        string
	algorithm string // the only one that it is for; empty if the set doesn't say
	key       any
}

// parseSet reads a JSON Web Key Set. Keys that aren't public keys for signatures, are of an
// unknown kind or too weak are left out, as RFC 7517 section 5 wants; so is a secret, which
// is none once it can be fetched. A set without any key that is good is an error.
func parseSet(text []byte) ([]setKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the answer is no JSON Web Key Set: %w", err)
	}
	var keys []setKey
	for _, text := range set.Keys {
		var k jwk
		if json.Unmarshal(text, &k) != nil || !k.verifies() {
			continue
		}
		key, err := k.public()
		if err != nil || checkKey(key) != nil {
			continue
		}
		if keys = append(keys, setKey{k.ID, k.Algorithm, key}); len(keys) == maxSetKeys {
			break
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JSON Web Key Set has no key that can be used")
	}
	return keys, nil
}

// verifies reports whether the key is meant for verifying signatures.
func (k *jwk) verifies() bool {
	return (k.Use == "" || k.Use == "sig") && (len(k.Operations) == 0 || slices.Contains(k.Operations, "verify"))
}

var errKeyKind = errors.New("the key is of an unknown kind")

// public returns the key as one of those of Options.Keys.
func (k *jwk) public() (any, error) {
	switch k.Type {
	case "RSA": // RFC 7518 section 6.3
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		if err != nil {
			return nil, err
		}
		e, err := base64.RawURLEncoding.DecodeString(k.E)
		if err != nil {
			return nil, err
		}
		modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
		if modulus.BitLen() > maxRSABits || exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
			return nil, errKeyKind
		}
		return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
	case "EC": // section 6.2
		curve := curves[k.Curve]
		if curve == nil {
			return nil, errKeyKind
		}
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil {
			return nil, err
		}
		y, err := base64.RawURLEncoding.DecodeString(k.Y)
		if err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	case "OKP": // RFC 8037 section 2
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if k.Curve != "Ed25519" || err != nil {
			return nil, errKeyKind
		}
		return ed25519.PublicKey(x), nil
	default:
		return nil, errKeyKind
	}
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// find returns the one key for a token's kid and method. A token without a kid gets the
// only key that suits its method; if there are several, it isn't known which.
func find(keys []setKey, kid string, method jwt.SigningMethod) (any, error) {
	var found []any
	known := false
	for _, k := range keys {
		if kid != "" && k.id != kid {
			continue
		}
		known = true
		if suits(k.key, method) && (k.algorithm == "" || k.algorithm == method.Alg()) {
			found = append(found, k.key)
		}
	}
	switch {
	case !known, kid == "" && len(found) != 1:
		return nil, errKey
	case len(found) == 0:
		return nil, errKind
	default:
		return found[0], nil
	}
}
