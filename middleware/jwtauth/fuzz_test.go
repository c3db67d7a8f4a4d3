package jwtauth_test

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
)

// FuzzIdentify has requests say anything: nobody is let in whose token, up to its
// signature, isn't one that was signed.
func FuzzIdentify(f *testing.F) {
	// Fixed, and so are the signatures, because each process that fuzzes has its own.
	key := []byte(strings.Repeat("k", 32))
	private := ed25519.NewKeyFromSeed(key)
	a := must(jwtauth.New(jwtauth.Options{
		Keys: object{"": key, "ed": private.Public()}, Algorithms: []string{"HS256", "EdDSA"}, Cookie: "c",
	}))
	far := object{"exp": int64(253402300799)}
	tokens := []string{sign(f, "HS256", key, nil, far), sign(f, "EdDSA", private, object{"kid": "ed"}, far)}
	for _, token := range tokens {
		if _, err := a.Identify(bearing(token)); err != nil {
			f.Fatal(err)
		}
		f.Add("Bearer "+token, "")
		f.Add("bearer "+token, "c="+token)
		f.Add("", "a=b; c="+token)
	}
	f.Add("Bearer "+sign(f, "HS256", key[:31], nil, far), "")
	f.Add("Bearer "+sign(f, "HS512", key, nil, far), "c=\"")
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjI1MzQwMjMwMDc5OX0.", "c=.. ")
	f.Fuzz(func(t *testing.T, authorization, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		r.Header["Cookie"] = []string{cookie}
		id, err := a.Identify(r)
		if err != nil {
			if e, ok := errors.AsType[*push.Error](err); !ok || e.Code != push.CodeUnauthenticated || id != (push.Identity{}) {
				t.Errorf("got %+v, %v", id, err)
			}
			return
		}
		for _, token := range tokens {
			signed := token[:strings.LastIndexByte(token, '.')]
			if strings.Contains(authorization, signed) || strings.Contains(cookie, signed) {
				return
			}
		}
		t.Errorf("%q and %q let %+v in", authorization, cookie, id)
	})
}
