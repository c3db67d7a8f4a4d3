package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
)

func TestBadTokens(t *testing.T) {
	p := pairs()
	key := p["secret"].private
	a := must(jwtauth.New(jwtauth.Options{
		Keys: object{"k": key, "rsa": p["rsa"].public}, Algorithms: []string{"HS256", "RS256"},
		Issuer: "https://issuer", Audience: "push",
	}))
	good := object{"iss": "https://issuer", "aud": "push", "secret": marker}
	with := func(header, claims object) string {
		all := object{"kid": "k"}
		maps.Copy(all, header)
		body := maps.Clone(good)
		maps.Copy(body, claims)
		return sign(t, "HS256", key, all, body)
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }

	if _, err := a.Identify(bearing(with(nil, nil))); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(with(nil, nil), ".")
	others := strings.Split(with(nil, object{"sub": "bob"}), ".")
	header := `{"alg":"HS256","kid":"k"}`
	rest := fmt.Sprintf(`"sub":%q,"exp":%d,"iss":"https://issuer","aud":"push"}`, marker, in(time.Hour))
	if _, err := a.Identify(bearing(forge(key, header, `{`+rest))); err != nil {
		t.Fatal(err)
	}

	for name, token := range map[string]string{
		"not a token":             marker,
		"one dot":                 parts[0] + "." + parts[1],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"a part too many":         strings.Join(parts, ".") + ".",
		"five parts":              strings.Join(parts, ".") + ".a.b",
		"claims of another":       parts[0] + "." + others[1] + "." + parts[2],
		"signature of another":    parts[0] + "." + parts[1] + "." + others[2],
		"cut":                     strings.TrimSuffix(strings.Join(parts, "."), parts[2][40:]),
		"bits left over":          leaveBits(strings.Join(parts, ".")),
		"padded":                  strings.Join(parts, ".") + "=",
		"two tokens":              strings.Join(parts, ".") + " " + strings.Join(parts, "."),
		"a comma":                 strings.Join(parts, ".") + "," + strings.Join(parts, "."),
		"not base64":              parts[0] + "." + parts[1] + ".%%%",
		"huge":                    with(nil, object{"a": strings.Repeat("a", 8<<10)}),
		"huge and nothing":        strings.Repeat("a.", 1<<20),
		"header isn't an object":  forge(key, `"`+marker+`"`, `{`+rest),
		"header is null":          forge(key, `null`, `{`+rest),
		"header isn't JSON":       forge(key, `{"alg":"HS256","kid":"k"`, `{`+rest),
		"claims aren't an object": forge(key, header, `"`+marker+`"`),
		"claims are null":         forge(key, header, `null`),
		"claims go on":            forge(key, header, `{`+rest+`{}`),
		"a number too large":      forge(key, header, `{"n":1e`+"99999"+`,`+rest),
		"no alg":                  forge(key, `{"kid":"k"}`, `{`+rest),
		"alg is a number":         forge(key, `{"alg":256,"kid":"k"}`, `{`+rest),
		"alg in small letters":    forge(key, `{"alg":"hs256","kid":"k"}`, `{`+rest),
		"alg unknown":             forge(key, `{"alg":"`+marker+`","kid":"k"}`, `{`+rest),
		"none":                    sign(t, "none", jwt.UnsafeAllowNoneSignatureType, object{"kid": "k"}, good),
		"none with a signature":   forge(key, `{"alg":"none","kid":"k"}`, `{`+rest),
		"None":                    forge(key, `{"alg":"None","kid":"k"}`, `{`+rest),
		"algorithm not allowed":   sign(t, "HS512", key, object{"kid": "k"}, good),
		"another secret":          sign(t, "HS256", secret(64).private, object{"kid": "k"}, good),
		"another RSA padding":     sign(t, "PS256", p["rsa"].private, object{"kid": "rsa"}, good),
		"no kid":                  with(object{"kid": nil}, nil),
		"kid is empty":            with(object{"kid": ""}, nil),
		"kid unknown":             with(object{"kid": marker}, nil),
		"kid is a number":         with(object{"kid": 1}, nil),
		"kid is a list":           with(object{"kid": []string{"k"}}, nil),
		"kid of another kind":     with(object{"kid": "rsa"}, nil),
		"crit":                    with(object{"crit": []string{"exp"}}, nil),
		"crit is empty":           with(object{"crit": []string{}}, nil),
		"crit and b64":            with(object{"crit": []string{"b64"}, "b64": false}, nil),
		"no issuer":               with(nil, object{"iss": nil}),
		"another issuer":          with(nil, object{"iss": "https://issuer.example"}),
		"issuer is a list":        with(nil, object{"iss": []string{"https://issuer"}}),
		"no audience":             with(nil, object{"aud": nil}),
		"audience is empty":       with(nil, object{"aud": []string{}}),
		"another audience":        with(nil, object{"aud": "pushy"}),
		"other audiences":         with(nil, object{"aud": []string{"a", "PUSH"}}),
		"audience is a number":    with(nil, object{"aud": 7}),
		"no exp":                  with(nil, object{"exp": nil}),
		"exp is zero":             with(nil, object{"exp": 0}),
		"exp is null":             forge(key, header, `{"exp":null,`+strings.Replace(rest, `"exp"`, `"e"`, 1)),
		"exp is text":             with(nil, object{"exp": fmt.Sprint(in(time.Hour))}),
		"exp is past":             with(nil, object{"exp": in(-time.Minute)}),
		"exp is negative":         with(nil, object{"exp": -1}),
		"exp is too far":          with(nil, object{"exp": int64(253402300800)}),
		"exp is absurd":           with(nil, object{"exp": 1e300}),
		"nbf is in the future":    with(nil, object{"nbf": in(time.Minute)}),
		"nbf is text":             with(nil, object{"nbf": "now"}),
		"nbf is absurd":           with(nil, object{"nbf": 1e300}),
		"iat is in the future":    with(nil, object{"iat": in(time.Minute)}),
		"iat is text":             with(nil, object{"iat": "now"}),
		"iat is absurd":           with(nil, object{"iat": 1e300}),
		"no sub":                  with(nil, object{"sub": nil}),
		"sub is empty":            with(nil, object{"sub": ""}),
		"sub is a number":         with(nil, object{"sub": 42}),
	} {
		id, err := a.Identify(bearing(token))
		wantBad(t, name, err)
		if id != (push.Identity{}) {
			t.Errorf("%s: got %+v", name, id)
		}
	}
}

// TestGoodTokens are unusual, and right.
func TestGoodTokens(t *testing.T) {
	key := secret(32).private
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}}))
	now := time.Now().Unix()
	for name, token := range map[string]string{
		"no kid":                sign(t, "HS256", key, nil, nil),
		"an empty kid":          sign(t, "HS256", key, object{"kid": ""}, nil),
		"headers of no meaning": sign(t, "HS256", key, object{"jku": "http://127.0.0.1:1", "jwk": object{"kty": "oct", "k": "AA"}}, nil),
		"no typ":                sign(t, "HS256", key, object{"typ": nil}, nil),
		"all times":             sign(t, "HS256", key, nil, object{"nbf": now - 10, "iat": now - 10}),
		"an exp with fraction":  sign(t, "HS256", key, nil, object{"exp": float64(now) + 60.5}),
		"an exp far away":       sign(t, "HS256", key, nil, object{"exp": int64(253402300799)}),
		"just short enough":     sign(t, "HS256", key, nil, object{"a": strings.Repeat("a", 6000)}),
	} {
		if id, err := a.Identify(bearing(token)); err != nil || id.User != "ann" {
			t.Errorf("%s: got %+v, %v", name, id, err)
		}
	}
	// Who doesn't say who they are isn't meant by a token that names its audience.
	_, err := a.Identify(bearing(sign(t, "HS256", key, nil, object{"aud": "another service"})))
	wantBad(t, "an audience", err)
	several := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}, Audience: "push"}))
	if _, err := several.Identify(bearing(sign(t, "HS256", key, nil, object{"aud": []string{"a", "push"}}))); err != nil {
		t.Errorf("one audience of several: %v", err)
	}
}

func TestLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := secret(32).private
		for _, test := range []struct{ option, leeway int64 }{{0, 5}, {-1, 0}, {60, 60}} {
			a := must(jwtauth.New(jwtauth.Options{
				Keys: object{"": key}, Algorithms: []string{"HS256"}, Leeway: time.Duration(test.option) * time.Second,
			}))
			now := time.Now().Unix()
			for name, claims := range map[string][2]object{
				"exp": {{"exp": now - test.leeway + 1}, {"exp": now - test.leeway}},
				"nbf": {{"nbf": now + test.leeway}, {"nbf": now + test.leeway + 1}},
				"iat": {{"iat": now + test.leeway}, {"iat": now + test.leeway + 1}},
			} {
				if _, err := a.Identify(bearing(sign(t, "HS256", key, nil, claims[0]))); err != nil {
					t.Errorf("leeway %d: the last good %s: %v", test.option, name, err)
				}
				_, err := a.Identify(bearing(sign(t, "HS256", key, nil, claims[1])))
				wantBad(t, "the first bad "+name, err)
			}
		}
	})
}

func TestCauseSaysWhatIsWrong(t *testing.T) {
	key := secret(32).private
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}}))
	for token, want := range map[string]error{
		sign(t, "HS256", key, nil, object{"exp": 1}):               jwt.ErrTokenExpired,
		sign(t, "HS256", key, nil, object{"exp": nil}):             jwt.ErrTokenRequiredClaimMissing,
		sign(t, "HS256", secret(32).private, nil, nil):             jwt.ErrTokenSignatureInvalid,
		sign(t, "HS256", key, nil, object{"nbf": int64(4e9)}):      jwt.ErrTokenNotValidYet,
		forge(key, `{"alg":"HS256"}`, `{"`+marker+`":1e999}`):      jwt.ErrTokenMalformed,
		forge(key, `{"alg":"`+marker+`"}`, `{"exp":253402300799}`): jwt.ErrTokenUnverifiable,
	} {
		_, err := a.Identify(bearing(token))
		wantBad(t, want.Error(), err)
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestClaimsHook(t *testing.T) {
	key := secret(32).private
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	token := sign(t, "HS256", key, nil, object{"sub": nil, "uid": 7, "exp": exp.Unix()})
	for name, test := range map[string]struct {
		id   push.Identity
		err  error
		want push.Identity
		code push.Code
	}{
		"another user":   {id: push.Identity{User: "7", Claims: 1}, want: push.Identity{User: "7", Claims: 1, Expires: exp}},
		"nobody":         {want: push.Identity{Expires: exp}},
		"sooner":         {id: push.Identity{Expires: exp.Add(-time.Minute)}, want: push.Identity{Expires: exp.Add(-time.Minute)}},
		"never later":    {id: push.Identity{Expires: exp.Add(time.Minute)}, want: push.Identity{Expires: exp}},
		"an error":       {id: push.Identity{User: "7"}, err: errors.New("no such user"), code: push.CodeUnauthenticated},
		"a push.Error":   {err: fmt.Errorf("asking: %w", push.CodeForbidden), code: push.CodeForbidden},
		"out of time":    {err: context.DeadlineExceeded, code: push.CodeTimeout},
		"internal error": {err: push.CodeInternal, code: push.CodeUnauthenticated},
	} {
		a := must(jwtauth.New(jwtauth.Options{
			Keys: object{"": key}, Algorithms: []string{"HS256"},
			Claims: func(ctx context.Context, claims map[string]any) (push.Identity, error) {
				if claims["uid"] != 7.0 || ctx.Value(contextKey{}) != "of the request" {
					t.Errorf("%s: called with %v", name, claims)
				}
				return test.id, test.err
			},
		}))
		r := bearing(token)
		id, err := a.Identify(r.WithContext(context.WithValue(r.Context(), contextKey{}, "of the request")))
		if test.code == "" && err != nil || test.code != "" && push.AsError(err).Code != test.code {
			t.Errorf("%s: error %v", name, err)
		}
		if !id.Expires.Equal(test.want.Expires) {
			t.Errorf("%s: expires %v", name, id.Expires)
		}
		id.Expires, test.want.Expires = time.Time{}, time.Time{}
		if !reflect.DeepEqual(id, test.want) {
			t.Errorf("%s: got %+v", name, id)
		}
	}
}

type contextKey struct{}
