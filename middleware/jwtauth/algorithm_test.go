package jwtauth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/middleware/jwtauth"
)

// TestAlgorithms has tokens of every algorithm meet every other.
func TestAlgorithms(t *testing.T) {
	expires := time.Now().Add(time.Hour).Unix()
	for allowed, kind := range kinds {
		a := must(jwtauth.New(jwtauth.Options{Keys: object{"k": pairs()[kind].public}, Algorithms: []string{allowed}}))
		for algorithm, signer := range kinds {
			token := sign(t, algorithm, pairs()[signer].private, object{"kid": "k"}, object{"role": "admin", "exp": expires})
			id, err := a.Identify(bearing(token))
			if algorithm != allowed {
				wantBad(t, algorithm+" where "+allowed+" is allowed", err)
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", algorithm, err)
				continue
			}
			claims, _ := id.Claims.(object)
			if id.User != "ann" || claims["role"] != "admin" || !id.Expires.Equal(time.Unix(expires, 0)) {
				t.Errorf("%s: got %+v", algorithm, id)
			}
		}
	}
}

// everything is an Authenticator with all keys and all algorithms, so that nothing
// but the key stands between one algorithm and another.
func everything(t *testing.T) *jwtauth.Authenticator {
	t.Helper()
	o := jwtauth.Options{Keys: object{}}
	for name, p := range pairs() {
		o.Keys[name] = p.public
	}
	for algorithm := range kinds {
		o.Algorithms = append(o.Algorithms, algorithm)
	}
	return must(jwtauth.New(o))
}

func TestKeyAndAlgorithmGoTogether(t *testing.T) {
	a := everything(t)
	for algorithm, kind := range kinds {
		for kid := range pairs() {
			_, err := a.Identify(bearing(sign(t, algorithm, pairs()[kind].private, object{"kid": kid}, nil)))
			if kid != kind {
				wantBad(t, algorithm+" with the key "+kid, err)
			} else if err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
		}
	}
}

// TestPublicKeyIsNoSecret has whoever knows a public key, which is everybody, use it
// as a secret.
func TestPublicKeyIsNoSecret(t *testing.T) {
	a := everything(t)
	for _, kid := range []string{"rsa", "p256", "ed"} {
		public := pairs()[kid].public
		der := must(x509.MarshalPKIXPublicKey(public))
		forms := [][]byte{der, publicPEM(public), bytes.TrimSpace(publicPEM(public)), {}}
		if key, ok := public.(*rsa.PublicKey); ok {
			forms = append(forms, x509.MarshalPKCS1PublicKey(key), key.N.Bytes())
		}
		for i, form := range forms {
			for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
				_, err := a.Identify(bearing(sign(t, algorithm, form, object{"kid": kid}, nil)))
				wantBad(t, fmt.Sprint(algorithm, " with ", kid, i), err)
			}
		}
	}
}

// TestCurveAndAlgorithmGoTogether has a right signature, but for an algorithm of
// another curve. No library signs like that.
func TestCurveAndAlgorithmGoTogether(t *testing.T) {
	text := forge([]byte{}, `{"alg":"ES384","kid":"p256"}`, `{"sub":"ann","exp":253402300799}`)
	text = text[:strings.LastIndexByte(text, '.')]
	hash := sha512.Sum384([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, pairs()["p256"].private.(*ecdsa.PrivateKey), hash[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	_, err = everything(t).Identify(bearing(text + "." + base64.RawURLEncoding.EncodeToString(signature)))
	wantBad(t, "ES384 with P-256", err)
}
