package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	askerCookie  = "asker"
	askerFor     = 365 * 24 * time.Hour
	secretLength = 26 // of crypto/rand.Text
)

// asker is the secret of a browser that asks. All that others get to know is its hash, which
// stands among an answer's keys: so every instance knows who may stop it.
type asker string

func (a asker) hash() string {
	sum := sha256.Sum256([]byte(a))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// askerOf returns who asks: a new one, if the browser has no secret yet.
func askerOf(w http.ResponseWriter, r *http.Request) asker {
	if cookie, err := r.Cookie(askerCookie); err == nil && len(cookie.Value) == secretLength {
		return asker(cookie.Value)
	}
	secret := rand.Text()
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // an example runs without TLS, too
		Name: askerCookie, Value: secret, Path: "/", MaxAge: int(askerFor.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
	return asker(secret)
}

// askedBy reports whether a request comes from the browser that has asked for an answer.
func askedBy(r *http.Request, entries []*push.Message) bool {
	cookie, err := r.Cookie(askerCookie)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Key == askerKey {
			return string(e.Data) == asker(cookie.Value).hash()
		}
	}
	return false
}
