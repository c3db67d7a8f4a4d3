package jwtauth

import (
	"net/http"
	"slices"
	"strings"
)

// token returns the one token that a request brings, or none. It is not for this side
// to choose between two.
func (a *Authenticator) token(r *http.Request) (string, error) {
	if query := r.URL.Query(); query.Has("token") || query.Has("access_token") {
		return "", errInURL
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", badToken(errTwo)
	}
	var tokens []string
	for _, header := range headers {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue // another scheme is another's matter, such as a proxy's
		}
		token = strings.TrimLeft(token, " ")
		if token == "" {
			return "", badToken(errNoToken)
		}
		tokens = append(tokens, token)
	}
	for _, cookie := range r.CookiesNamed(a.options.Cookie) {
		if cookie.Value != "" { // an emptied cookie is one that was taken back
			tokens = append(tokens, cookie.Value)
		}
	}
	tokens = slices.Compact(tokens)
	switch len(tokens) {
	case 0:
		return "", nil
	case 1:
		return tokens[0], nil
	default:
		return "", badToken(errTwo)
	}
}
