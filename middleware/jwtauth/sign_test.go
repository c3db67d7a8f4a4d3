package jwtauth_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/push"
)

// marker is in the text of tokens, and must not come out again.
const marker = "hunter2"

type object = map[string]any

// sign makes a token for ann that is good for an hour, with more headers and claims,
// or fewer: those that are nil are left out.
func sign(t testing.TB, algorithm string, key any, header, claims object) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), jwt.MapClaims{
		"sub": "ann", "exp": time.Now().Add(time.Hour).Unix(),
	})
	merge(token.Header, header)
	merge(token.Claims.(jwt.MapClaims), claims)
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func merge(into, more object) {
	maps.Copy(into, more)
	maps.DeleteFunc(into, func(_ string, value any) bool { return value == nil })
}

// forge makes a token of any JSON, signed as HS256.
func forge(key any, header, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return text + "." + base64.RawURLEncoding.EncodeToString(must(jwt.SigningMethodHS256.Sign(text, key)))
}

// leaveBits changes the last character of a token in those bits that belong to no
// byte: 43 characters have two more than 32 bytes.
func leaveBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	end := len(token) - 1
	return token[:end] + string(alphabet[strings.IndexByte(alphabet, token[end])+1])
}

// bearing makes a request with Authorization headers of tokens.
func bearing(tokens ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, token := range tokens {
		r.Header.Add("Authorization", "Bearer "+token)
	}
	return r
}

// wantBad expects that a bad token is refused, like every other.
func wantBad(t *testing.T, name string, err error) {
	t.Helper()
	e, ok := errors.AsType[*push.Error](err)
	if !ok || e.Code != push.CodeUnauthenticated || e.Reason != "the token isn't valid" || e.Cause == nil {
		t.Errorf("%s: got %v", name, err)
		return
	}
	if strings.Contains(err.Error(), marker) || len(err.Error()) > 150 {
		t.Errorf("%s: the error quotes the token: %v", name, err)
	}
}
