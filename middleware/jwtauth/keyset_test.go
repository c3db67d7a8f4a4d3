package jwtauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
)

// issuer answers requests for its keys in memory.
type issuer struct {
	mu      sync.Mutex
	answer  string
	status  int
	err     error
	hold    chan struct{} // if not nil, an answer waits for it
	fetches atomic.Int32
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.fetches.Add(1)
	i.mu.Lock()
	hold, status, answer, err := i.hold, i.status, i.answer, i.err
	i.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(answer)), Request: r,
		Header: http.Header{"Location": {"http://evil.example"}},
	}, nil
}

func (i *issuer) set(status int, keys ...object) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.err, i.answer = status, nil, string(must(json.Marshal(object{"keys": keys})))
}

func (i *issuer) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

// publish writes a public key as an issuer does.
func publish(kid string, key any) object {
	text := base64.RawURLEncoding.EncodeToString
	switch key := key.(type) {
	case *rsa.PublicKey:
		return object{"kty": "RSA", "kid": kid, "n": text(key.N.Bytes()), "e": text(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point := must(key.Bytes())[1:]
		return object{
			"kty": "EC", "kid": kid, "crv": key.Params().Name, "x": text(point[:len(point)/2]), "y": text(point[len(point)/2:]),
		}
	case ed25519.PublicKey:
		return object{"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": text(key)}
	}
	panic("no public key")
}

func keySet(i *issuer) *jwtauth.KeySet {
	return must(jwtauth.NewKeySet(jwtauth.KeySetOptions{URL: "https://issuer.example/keys", Client: &http.Client{Transport: i}}))
}

var public = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func TestKeySetHasKeysOfAllKinds(t *testing.T) {
	p, i := pairs(), &issuer{}
	i.set(http.StatusOK, publish("rsa", p["rsa"].public), publish("p256", p["p256"].public), publish("p384", p["p384"].public),
		publish("p521", p["p521"].public), publish("ed", p["ed"].public))
	a := must(jwtauth.New(jwtauth.Options{
		KeySet: keySet(i), Keys: object{"secret": p["secret"].private}, Algorithms: append([]string{"HS256", "HS384", "HS512"}, public...),
	}))
	for algorithm, kind := range kinds {
		if _, err := a.Identify(bearing(sign(t, algorithm, p[kind].private, object{"kid": kind}, nil))); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	_, err := a.Identify(bearing(sign(t, "ES256", p["p256"].private, object{"kid": "rsa"}, nil)))
	wantBad(t, "another kind of key", err)
	// Whoever knows the public key knows no secret.
	text := must(json.Marshal(publish("rsa", p["rsa"].public)))
	_, err = a.Identify(bearing(sign(t, "HS256", text, object{"kid": "rsa"}, nil)))
	wantBad(t, "a public key as a secret", err)
}

func TestKeysThatAreLeftOut(t *testing.T) {
	p := pairs()
	good := publish("k", p["p256"].public)
	with := func(more object) object {
		all := object{}
		merge(all, good)
		merge(all, more)
		return all
	}
	secret := p["secret"].private.([]byte)
	for name, key := range map[string]object{
		"for encryption":        with(object{"use": "enc"}),
		"for signing only":      with(object{"key_ops": []string{"sign"}}),
		"of another algorithm":  with(object{"alg": "ES384"}),
		"of another curve":      with(object{"crv": "P-384"}),
		"off its curve":         with(object{"y": good["x"]}),
		"of an unknown kind":    with(object{"kty": "XY"}),
		"that isn't base64":     with(object{"x": "%"}),
		"of numbers":            with(object{"x": 7}),
		"a secret":              {"kty": "oct", "kid": "k", "k": base64.RawURLEncoding.EncodeToString(secret)},
		"RSA with an even e":    {"kty": "RSA", "kid": "k", "n": publish("", p["rsa"].public)["n"], "e": "Ag"},
		"RSA that is too short": {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"},
		"Ed25519 of three":      {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AQAB"},
	} {
		i := &issuer{}
		i.set(http.StatusOK, key, publish("other", p["p521"].public))
		a := must(jwtauth.New(jwtauth.Options{KeySet: keySet(i), Algorithms: public}))
		_, err := a.Identify(bearing(sign(t, "ES256", p["p256"].private, object{"kid": "k"}, nil)))
		wantBad(t, name, err)
		if _, err := a.Identify(bearing(sign(t, "ES512", p["p521"].private, object{"kid": "other"}, nil))); err != nil {
			t.Errorf("beside a key %s: %v", name, err)
		}
	}
}

func TestTokenWithoutKid(t *testing.T) {
	p, i := pairs(), &issuer{}
	i.set(http.StatusOK, publish("rsa", p["rsa"].public), publish("a", p["p256"].public))
	one := must(jwtauth.New(jwtauth.Options{KeySet: keySet(i), Algorithms: public}))
	token := sign(t, "ES256", p["p256"].private, nil, nil)
	if _, err := one.Identify(bearing(token)); err != nil {
		t.Errorf("the only key of its kind: %v", err)
	}
	i.set(http.StatusOK, publish("b", p["p256"].public), publish("a", p["p256"].public))
	two := must(jwtauth.New(jwtauth.Options{KeySet: keySet(i), Algorithms: public}))
	_, err := two.Identify(bearing(token))
	wantBad(t, "one of two keys", err)
}

func TestKeySetFollowsARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, i := pairs(), &issuer{}
		i.set(http.StatusOK, publish("old", p["p256"].public))
		a := must(jwtauth.New(jwtauth.Options{KeySet: keySet(i), Algorithms: public}))
		identify := func(kid, kind, algorithm string) error {
			_, err := a.Identify(bearing(sign(t, algorithm, p[kind].private, object{"kid": kid}, nil)))
			return err
		}
		fetches := func(want int32) {
			t.Helper()
			if n := i.fetches.Swap(0); n != want {
				t.Errorf("the keys were fetched %d times, want %d", n, want)
			}
		}
		if err := identify("old", "p256", "ES256"); err != nil {
			t.Fatal(err)
		}
		fetches(1)

		// A token with another kid doesn't lead to a fetch while the last is fresh.
		i.set(http.StatusOK, publish("new", p["ed"].public))
		for range 100 {
			wantBad(t, "within the pause", identify("new", "ed", "EdDSA"))
		}
		fetches(0)
		time.Sleep(10 * time.Second)
		if err := identify("new", "ed", "EdDSA"); err != nil {
			t.Errorf("after the pause: %v", err)
		}
		fetches(1)
		wantBad(t, "the old key", identify("old", "p256", "ES256"))

		// Keys that are old are fetched again, and go on if they can't be.
		time.Sleep(11 * time.Minute)
		i.fail(errors.New("down"))
		for range 10 {
			if err := identify("new", "ed", "EdDSA"); err != nil {
				t.Errorf("while the issuer is down: %v", err)
			}
		}
		fetches(1)
		time.Sleep(24 * time.Hour)
		if err := identify("new", "ed", "EdDSA"); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("after a day without the issuer: %v", err)
		}
		i.set(http.StatusOK, publish("new", p["ed"].public))
		time.Sleep(10 * time.Second)
		if err := identify("new", "ed", "EdDSA"); err != nil {
			t.Errorf("when the issuer is back: %v", err)
		}
	})
}

func TestOneFetchServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, i := pairs(), &issuer{hold: make(chan struct{})}
		i.set(http.StatusOK, publish("k", p["ed"].public))
		a := must(jwtauth.New(jwtauth.Options{KeySet: keySet(i), Algorithms: public}))
		token := sign(t, "EdDSA", p["ed"].private, object{"kid": "k"}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 20)
		for range 20 {
			go func() {
				_, err := a.Identify(bearing(token).WithContext(t.Context()))
				errs <- err
			}()
		}
		synctest.Wait()
		go func() {
			_, err := a.Identify(bearing(token).WithContext(ctx))
			errs <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("a request that ended: %v", err)
		}
		close(i.hold)
		for range 20 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := i.fetches.Load(); n != 1 {
			t.Errorf("the keys were fetched %d times", n)
		}
	})
}

func TestAnswersThatAreNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pairs()
		key := publish("k", p["ed"].public)
		for name, prepare := range map[string]func(i *issuer){
			"not found":    func(i *issuer) { i.set(http.StatusNotFound, key) },
			"a redirect":   func(i *issuer) { i.set(http.StatusFound, key) },
			"no key":       func(i *issuer) { i.set(http.StatusOK) },
			"no JSON":      func(i *issuer) { i.set(http.StatusOK); i.answer = "<html>" },
			"far too long": func(i *issuer) { i.set(http.StatusOK, key); i.answer += strings.Repeat(" ", 512<<10) },
			"none in time": func(i *issuer) { i.set(http.StatusOK, key); i.hold = make(chan struct{}) },
		} {
			i := &issuer{}
			prepare(i)
			set := keySet(i)
			if err := set.Fetch(t.Context()); err == nil {
				t.Errorf("%s: fetched", name)
			}
			a := must(jwtauth.New(jwtauth.Options{KeySet: set, Algorithms: public}))
			_, err := a.Identify(bearing(sign(t, "EdDSA", p["ed"].private, object{"kid": "k"}, nil)))
			if !errors.Is(err, push.CodeUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if n := i.fetches.Load(); n != 1 {
				t.Errorf("%s: fetched %d times", name, n)
			}
		}
	})
}

func TestKeySetWantsHTTPS(t *testing.T) {
	for url, good := range map[string]bool{
		"https://issuer.example/keys": true, "http://127.0.0.1:1/keys": true, "http://localhost/keys": true, "http://[::1]/keys": true,
		"http://issuer.example/keys": false, "": false, "/keys": false, "file:///keys": false, "https://": false,
	} {
		if _, err := jwtauth.NewKeySet(jwtauth.KeySetOptions{URL: url}); (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := jwtauth.NewKeySet(jwtauth.KeySetOptions{URL: "http://issuer.example/keys", Insecure: true}); err != nil {
		t.Error(err)
	}
}

func TestKeySetHasNoSecrets(t *testing.T) {
	if _, err := jwtauth.New(jwtauth.Options{KeySet: keySet(&issuer{}), Algorithms: []string{"HS256"}}); err == nil {
		t.Error("a set can't have the key for HS256")
	}
	if _, err := jwtauth.New(jwtauth.Options{KeySet: keySet(&issuer{}), Algorithms: []string{"none"}}); err == nil {
		t.Error("there is no key for none")
	}
}
