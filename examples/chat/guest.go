package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push"
)

// Nobody signs in. A browser gets a secret all the same, in a cookie beside the name that
// its user has chosen, so that a page that is loaded again is the same member of a room.

const (
	guestCookie  = "guest" // the secret, a dot and the name, in base64url
	guestFor     = 365 * 24 * time.Hour
	secretLength = 26  // of crypto/rand.Text
	maxIntro     = 512 // bytes
)

// guest is somebody with a name.
type guest struct{ secret, name string }

// user is what others know a guest by. It tells nothing of the secret, and changes with the
// name.
func (g guest) user() string {
	sum := sha256.Sum256([]byte(g.secret + g.name))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// guestOf returns who the cookie says that the client is.
func guestOf(r *http.Request) (g guest, ok bool) {
	cookie, err := r.Cookie(guestCookie)
	if err != nil {
		return g, false
	}
	secret, encoded, _ := strings.Cut(cookie.Value, ".")
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	g = guest{secret, string(name)}
	return g, err == nil && len(secret) == secretLength && checkName(g.name) == nil
}

// identify knows guests by their cookie. Without one a client is anonymous, as curl is.
func identify(r *http.Request) (push.Identity, error) {
	g, ok := guestOf(r)
	if !ok {
		return push.Identity{}, nil
	}
	return push.Identity{User: g.user(), Claims: g.name}, nil
}

// member tells a room what a guest is called.
func member(id push.Identity) any { return id.Claims }

// introduce takes the name of a guest, sets the cookie, and answers with what others know
// the guest by.
func introduce(w http.ResponseWriter, r *http.Request) {
	var body struct{ Name string }
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxIntro)).Decode(&body) != nil {
		http.Error(w, `a guest is {"name":…}`, http.StatusBadRequest)
		return
	}
	g, ok := guestOf(r)
	if !ok {
		g.secret = rand.Text()
	}
	g.name = strings.TrimSpace(body.Name)
	if err := checkName(g.name); err != nil {
		http.Error(w, push.AsError(err).Reason, http.StatusBadRequest)
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // an example runs without TLS, too
		Name: guestCookie, Value: g.secret + "." + base64.RawURLEncoding.EncodeToString([]byte(g.name)),
		Path: "/", MaxAge: int(guestFor.Seconds()), HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"user": g.user()}) // a client that has gone needs no answer
}
