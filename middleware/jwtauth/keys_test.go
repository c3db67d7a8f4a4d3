package jwtauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/middleware/jwtauth"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// pair is what an issuer signs with, and what verifies it.
type pair struct{ private, public any }

func secret(n int) pair {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return pair{b, b}
}

func curve(c elliptic.Curve) pair {
	private := must(ecdsa.GenerateKey(c, rand.Reader))
	return pair{private, &private.PublicKey}
}

// pairs has a key of each kind. An RSA key takes a while to make.
var pairs = sync.OnceValue(func() map[string]pair {
	private := must(rsa.GenerateKey(rand.Reader, 2048))
	public, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	return map[string]pair{
		"secret": secret(64),
		"rsa":    {private, &private.PublicKey},
		"p256":   curve(elliptic.P256()),
		"p384":   curve(elliptic.P384()),
		"p521":   curve(elliptic.P521()),
		"ed":     {must(edPrivate, err), public},
	}
})

// kinds are the algorithms that there are, with the key that each is for.
var kinds = map[string]string{
	"HS256": "secret", "HS384": "secret", "HS512": "secret",
	"RS256": "rsa", "RS384": "rsa", "RS512": "rsa",
	"PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
	"ES256": "p256", "ES384": "p384", "ES512": "p521",
	"EdDSA": "ed",
}

func publicPEM(key crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})
}

func TestNewChecksKeysAndAlgorithms(t *testing.T) {
	p := pairs()
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2046, 1), E: 65537}
	p224 := curve(elliptic.P224())
	var noRSA *rsa.PublicKey
	var noECDSA *ecdsa.PublicKey
	for name, test := range map[string]struct {
		key        any
		algorithms []string
	}{
		"no algorithms":            {p["secret"].public, nil},
		"an empty algorithm":       {p["secret"].public, []string{""}},
		"an unknown algorithm":     {p["secret"].public, []string{"HS256", "HS1"}},
		"none":                     {p["secret"].public, []string{"none"}},
		"none besides":             {p["secret"].public, []string{"HS256", "none"}},
		"an algorithm without key": {p["secret"].public, []string{"HS256", "RS256"}},
		"a key without algorithm":  {p["p256"].public, []string{"ES384"}},
		"RSA key for HMAC":         {p["rsa"].public, []string{"HS256"}},
		"secret for RSA":           {p["secret"].public, []string{"RS256"}},
		"ECDSA key for EdDSA":      {p["p256"].public, []string{"EdDSA"}},
		"an empty secret":          {[]byte{}, []string{"HS256"}},
		"a short secret":           {secret(31).public, []string{"HS256"}},
		"too short for one":        {secret(32).public, []string{"HS256", "HS384"}},
		"PEM as a secret":          {publicPEM(p["rsa"].public), []string{"HS256"}},
		"a string":                 {"a secret of as many bytes as it needs", []string{"HS256"}},
		"a weak RSA key":           {weak, []string{"RS256"}},
		"an empty RSA key":         {&rsa.PublicKey{}, []string{"RS256"}},
		"a nil RSA key":            {noRSA, []string{"RS256"}},
		"a nil ECDSA key":          {noECDSA, []string{"ES256"}},
		"an empty ECDSA key":       {&ecdsa.PublicKey{}, []string{"ES256"}},
		"a curve that isn't used":  {p224.public, []string{"ES256"}},
		"a short Ed25519 key":      {ed25519.PublicKey("short"), []string{"EdDSA"}},
		"a private RSA key":        {p["rsa"].private, []string{"RS256"}},
		"a private ECDSA key":      {p["p256"].private, []string{"ES256"}},
		"a private Ed25519 key":    {p["ed"].private, []string{"EdDSA"}},
		"nil":                      {nil, []string{"HS256"}},
	} {
		if _, err := jwtauth.New(jwtauth.Options{Keys: map[string]any{"": test.key}, Algorithms: test.algorithms}); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if _, err := jwtauth.New(jwtauth.Options{Algorithms: []string{"HS256"}}); err == nil {
		t.Error("no keys: no error")
	}
	if _, err := jwtauth.New(jwtauth.Options{
		Keys: map[string]any{"a": p["secret"].public, "b": p["rsa"].public}, Algorithms: []string{"HS256"},
	}); err == nil {
		t.Error("a key that is left over: no error")
	}
}

// TestKeysAreCopied changes what New was given.
func TestKeysAreCopied(t *testing.T) {
	key := secret(32).public.([]byte)
	signing := append([]byte(nil), key...)
	o := jwtauth.Options{Keys: map[string]any{"": key}, Algorithms: []string{"HS256"}}
	a := must(jwtauth.New(o))
	clear(key)
	delete(o.Keys, "")
	o.Algorithms[0] = "HS512"
	if _, err := a.Identify(bearing(sign(t, "HS256", signing, nil, nil))); err != nil {
		t.Error(err)
	}
}
