package jwtauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// Push routes and an application's own handler that know users by the same tokens.
func Example() {
	// What a login service does; all others know the public key only.
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"sub": "ann", "aud": "push", "exp": time.Now().Add(10 * time.Minute).Unix(),
	})
	token.Header["kid"] = "2026"
	signed, err := token.SignedString(private)
	if err != nil {
		log.Fatal(err)
	}

	public := &private.PublicKey
	auth, err := jwtauth.New(jwtauth.Options{
		Keys:       map[string]any{"2026": public},
		Algorithms: []string{"ES256"},
		Audience:   "push",
	})
	if err != nil {
		log.Fatal(err)
	}
	hub := push.New(membroker.New(), push.Options{Identify: auth.Identify, Authorize: push.Anyone})
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	r.With(auth.Middleware).Get("/me", func(w http.ResponseWriter, r *http.Request) {
		id, _ := jwtauth.FromContext(r.Context())
		fmt.Fprint(w, id.User)
	})

	request := httptest.NewRequest(http.MethodGet, "/me", nil)
	request.Header.Set("Authorization", "Bearer "+signed)
	response := httptest.NewRecorder()
	r.ServeHTTP(response, request)
	fmt.Println(response.Body)
	// Output: ann
}

// Keys of an issuer that publishes them, and tokens that say what their users may follow.
func ExampleKeySet() {
	keys, err := jwtauth.NewKeySet(jwtauth.KeySetOptions{URL: "https://login.example.com/.well-known/jwks.json"})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := jwtauth.New(jwtauth.Options{KeySet: keys, Algorithms: []string{"RS256"}, Audience: "push", Rights: "tidewire"})
	if err != nil {
		log.Fatal(err)
	}
	hub := push.New(membroker.New(), push.Options{Identify: auth.Identify, Authorize: auth.Authorize})
	http.Handle("/push/", transport.Routes(hub))
}
