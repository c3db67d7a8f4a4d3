package jwtauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
)

// visit is a request as a table writes it.
type visit struct {
	url     string
	headers []string
	cookies []string
}

func (v visit) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/"+v.url, nil)
	for _, header := range v.headers {
		r.Header.Add("Authorization", header)
	}
	for _, cookie := range v.cookies {
		r.Header.Add("Cookie", cookie)
	}
	return r
}

func TestWhereATokenIs(t *testing.T) {
	key := secret(32).private
	ann := sign(t, "HS256", key, nil, nil)
	bob := sign(t, "HS256", key, nil, object{"sub": "bob"})
	const bad = "the token isn't valid"
	for name, test := range map[string]struct {
		visit
		user, reason string
	}{
		"nothing":                      {visit{}, "", "not authenticated"},
		"header":                       {visit{headers: []string{"Bearer " + ann}}, "ann", ""},
		"case of the scheme":           {visit{headers: []string{"bEARER " + ann}}, "ann", ""},
		"two spaces":                   {visit{headers: []string{"Bearer  " + ann}}, "ann", ""},
		"cookie":                       {visit{cookies: []string{"session=" + ann}}, "ann", ""},
		"cookie among others":          {visit{cookies: []string{"a=" + bob + "; session=" + ann, "Session=" + bob}}, "ann", ""},
		"cookie in quotes":             {visit{cookies: []string{`session="` + ann + `"`}}, "ann", ""},
		"both, the same":               {visit{headers: []string{"Bearer " + ann}, cookies: []string{"session=" + ann}}, "ann", ""},
		"both, different":              {visit{headers: []string{"Bearer " + ann}, cookies: []string{"session=" + bob}}, "", bad},
		"both, the cookie bad":         {visit{headers: []string{"Bearer " + ann}, cookies: []string{"session=x"}}, "", bad},
		"both, the header bad":         {visit{headers: []string{"Bearer x"}, cookies: []string{"session=" + ann}}, "", bad},
		"header twice":                 {visit{headers: []string{"Bearer " + ann, "Bearer " + bob}}, "", bad},
		"header twice, the same":       {visit{headers: []string{"Bearer " + ann, "Bearer " + ann}}, "", bad},
		"another scheme besides":       {visit{headers: []string{"Basic YTpi", "Bearer " + ann}}, "", bad},
		"another scheme":               {visit{headers: []string{"Basic YTpi"}}, "", "not authenticated"},
		"another scheme and cookie":    {visit{headers: []string{"Basic YTpi"}, cookies: []string{"session=" + ann}}, "ann", ""},
		"no scheme":                    {visit{headers: []string{ann}}, "", "not authenticated"},
		"no token after the scheme":    {visit{headers: []string{"Bearer"}, cookies: []string{"session=" + ann}}, "", bad},
		"only spaces after the scheme": {visit{headers: []string{"Bearer  "}}, "", bad},
		"cookie twice":                 {visit{cookies: []string{"session=" + ann + "; session=" + bob}}, "", bad},
		"cookie twice, the same":       {visit{cookies: []string{"session=" + ann, "session=" + ann}}, "ann", ""},
		"cookie taken back":            {visit{cookies: []string{"session="}}, "", "not authenticated"},
		"cookie taken back, header":    {visit{headers: []string{"Bearer " + ann}, cookies: []string{"session="}}, "ann", ""},
		"cookie of another name":       {visit{cookies: []string{"token=" + ann}}, "", "not authenticated"},
		"URL":                          {visit{url: "?token=" + ann}, "", "URL"},
		"URL, access_token":            {visit{url: "?topic=a&access_token=" + ann}, "", "URL"},
		"URL, empty":                   {visit{url: "?token"}, "", "URL"},
		"URL and header":               {visit{url: "?token=" + ann, headers: []string{"Bearer " + ann}}, "", "URL"},
		"another parameter":            {visit{url: "?topic=token", headers: []string{"Bearer " + ann}}, "ann", ""},
	} {
		for _, anonymous := range []bool{false, true} {
			a := must(jwtauth.New(jwtauth.Options{
				Keys: object{"": key}, Algorithms: []string{"HS256"}, Cookie: "session", Anonymous: anonymous,
			}))
			id, err := a.Identify(test.request())
			switch {
			case test.reason == "" || anonymous && test.reason == "not authenticated":
				if err != nil || id.User != test.user {
					t.Errorf("%s: got %+v, %v", name, id, err)
				}
			case test.reason == bad:
				wantBad(t, name, err)
			default:
				e, ok := errors.AsType[*push.Error](err)
				if !ok || !strings.Contains(e.Reason, test.reason) || strings.Contains(err.Error(), ann) {
					t.Errorf("%s: got %v", name, err)
				} else if len(e.Reason) > 123 {
					t.Errorf("%s: the reason doesn't fit a close frame", name)
				}
			}
		}
	}
}

// TestNoCookieUnlessNamed has a cookie that nobody has asked for.
// TestHugeTokensCostNothing: a long token is refused before anything is made of it.
func TestHugeTokensCostNothing(t *testing.T) {
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": secret(32).private}, Algorithms: []string{"HS256"}, Cookie: "session"}))
	cookie := httptest.NewRequest(http.MethodGet, "/", nil)
	cookie.Header.Set("Cookie", "session="+strings.Repeat(".", 1<<20))
	for name, r := range map[string]*http.Request{
		"dots":     bearing(strings.Repeat(".", 1<<20)),
		"parts":    bearing(strings.Repeat("e30.", 1<<18)),
		"a cookie": cookie,
		"spaces":   bearing(strings.Repeat(" ", 1<<20) + "x"),
		"brackets": bearing(base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 4000))) + "." + strings.Repeat("W1tb", 900) + ".e30"),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := a.Identify(r)
		runtime.ReadMemStats(&after)
		wantBad(t, name, err)
		if n := after.TotalAlloc - before.TotalAlloc; n > 128<<10 {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
}

func TestNoCookieUnlessNamed(t *testing.T) {
	key := secret(32).private
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}}))
	token := sign(t, "HS256", key, nil, nil)
	_, err := a.Identify(visit{cookies: []string{"session=" + token + "; =" + token + "; " + token}}.request())
	if e, ok := errors.AsType[*push.Error](err); !ok || e.Code != push.CodeUnauthenticated || e.Cause != nil {
		t.Errorf("got %v", err)
	}
}

func TestMiddleware(t *testing.T) {
	key := secret(32).private
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}}))
	var called int
	h := a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called++
		if id, ok := jwtauth.FromContext(r.Context()); !ok || id.User != "ann" {
			t.Errorf("got %+v, %v", id, ok)
		}
	}))
	for name, test := range map[string]struct {
		visit
		status int
	}{
		"good":   {visit{headers: []string{"Bearer " + sign(t, "HS256", key, nil, nil)}}, http.StatusOK},
		"bad":    {visit{headers: []string{"Bearer " + sign(t, "HS256", key, nil, object{"exp": 1})}}, http.StatusUnauthorized},
		"none":   {visit{}, http.StatusUnauthorized},
		"by URL": {visit{url: "?access_token=a"}, http.StatusBadRequest},
	} {
		called = 0
		w := httptest.NewRecorder()
		h.ServeHTTP(w, test.request())
		if w.Code != test.status || called == 1 != (test.status == http.StatusOK) {
			t.Errorf("%s: status %d, called %d times", name, w.Code, called)
		}
		if test.status == http.StatusOK {
			continue
		}
		var body struct{ Code, Reason string }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || push.Code(body.Code).HTTPStatus() != test.status || strings.Contains(body.Reason, "expired") {
			t.Errorf("%s: body %s, %v", name, w.Body, err)
		}
		if challenged := w.Header().Get("WWW-Authenticate") == "Bearer"; challenged != (w.Code == http.StatusUnauthorized) {
			t.Errorf("%s: header %v", name, w.Header())
		}
	}
	if id, ok := jwtauth.FromContext(t.Context()); ok {
		t.Errorf("without Middleware: %+v", id)
	}
}
