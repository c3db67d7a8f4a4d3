package access

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func file(t *testing.T, text []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func users(t *testing.T, c config.Config) *Users {
	t.Helper()
	u, err := NewUsers(&c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const secret = "a secret that is 32 bytes or more"

func TestRules(t *testing.T) {
	u := users(t, config.Config{Access: []config.AccessRule{
		{Pattern: "news/{any...}", Follow: config.Anyone},
		{Pattern: "users/{user}/{what}", Follow: "{user}", Send: "{user}"},
		{Pattern: "rooms/{room}", Follow: config.AnyUser, Send: config.AnyUser, Members: config.AnyUser},
		{Pattern: "rooms/7", Follow: config.Anyone}, // never: the one before decides
	}})
	for _, test := range []struct {
		user   string
		action push.Action
		topic  string
		want   bool
	}{
		{"", push.ActionFollow, "news/a/b", true}, {"", push.ActionResume, "news/", true}, {"ann", push.ActionSend, "news/a", false},
		{"ann", push.ActionFollow, "users/ann/orders", true}, {"ann", push.ActionSend, "users/ann/orders", true},
		{"bob", push.ActionFollow, "users/ann/orders", false}, {"ann", push.ActionMembers, "users/ann/orders", false},
		{"", push.ActionFollow, "users//orders", false}, {"", push.ActionFollow, "rooms/7", false}, {"ann", push.ActionFollow, "rooms/7", true},
		{"ann", push.ActionMembers, "rooms/7", true}, {"ann", push.ActionFollow, "other", false},
	} {
		err := u.authorize(t.Context(), push.Access{Identity: push.Identity{User: test.user}, Action: test.action, Topic: test.topic})
		if (err == nil) != test.want {
			t.Errorf("%q %s %s: %v", test.user, test.action, test.topic, err)
		}
	}
}

func TestNobodyAndAnyone(t *testing.T) {
	follow, send := push.Access{Action: push.ActionFollow, Topic: "a"}, push.Access{Action: push.ActionSend, Topic: "a"}
	for name, test := range map[string]struct {
		config       config.Config
		follow, send bool
		receives     bool
	}{
		"nothing":          {config.Config{}, false, false, false},
		"relay alone":      {config.Config{Relay: true}, false, false, true},
		"anyone":           {config.Config{Anyone: true}, true, false, false},
		"anyone and relay": {config.Config{Anyone: true, Relay: true}, true, true, true},
		"a rule":           {config.Config{Access: []config.AccessRule{{Pattern: "a", Send: "anyone"}}}, false, true, true},
		"a rule and relay": {config.Config{Relay: true, Access: []config.AccessRule{{Pattern: "a", Follow: "anyone"}}}, true, true, true},
	} {
		var o push.Options
		u := users(t, test.config)
		u.Options(&o)
		may := func(a push.Access) bool { return o.Authorize != nil && o.Authorize(context.Background(), a) == nil }
		if may(follow) != test.follow || may(send) != test.send || u.Send() != test.receives {
			t.Errorf("%s: follows %v, sends %v, %v", name, may(follow), may(send), u.Send())
		}
	}
}

func TestKeysFromFiles(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key := file(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for name, test := range map[string]struct {
		jwt  config.JWT
		good bool
	}{
		"a secret":         {config.JWT{Secret: secret, Algorithms: []string{"HS256"}}, true},
		"one in a file":    {config.JWT{SecretFile: file(t, []byte(secret+"\n")), Algorithms: []string{"HS256"}}, true},
		"a public key":     {config.JWT{Keys: []config.JWTKey{{File: key}}, Algorithms: []string{"EdDSA"}}, true},
		"both":             {config.JWT{Secret: secret, Keys: []config.JWTKey{{ID: "a", File: key}}, Algorithms: []string{"HS256", "EdDSA"}}, true},
		"keys by URL":      {config.JWT{JWKS: "https://issuer.example", Algorithms: []string{"RS256"}}, true},
		"both without kid": {config.JWT{Secret: secret, Keys: []config.JWTKey{{File: key}}, Algorithms: []string{"HS256", "EdDSA"}}, false},
		"a short secret":   {config.JWT{Secret: "short", Algorithms: []string{"HS256"}}, false},
		"an empty file":    {config.JWT{SecretFile: file(t, nil), Algorithms: []string{"HS256"}}, false},
		"no file":          {config.JWT{SecretFile: "/nonexistent", Algorithms: []string{"HS256"}}, false},
		"no key file":      {config.JWT{Keys: []config.JWTKey{{File: "/nonexistent"}}, Algorithms: []string{"EdDSA"}}, false},
		"no key in it":     {config.JWT{Keys: []config.JWTKey{{File: file(t, nil)}}, Algorithms: []string{"EdDSA"}}, false},
		"plain http":       {config.JWT{JWKS: "http://issuer.example", Algorithms: []string{"RS256"}}, false},
		"no such method":   {config.JWT{Secret: secret, Algorithms: []string{"XY"}}, false},
	} {
		if _, err := NewUsers(&config.Config{JWT: test.jwt}); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnonymous: those without a token are let in where something is for anyone.
func TestAnonymous(t *testing.T) {
	jwt := config.JWT{Secret: secret, Algorithms: []string{"HS256"}}
	for name, test := range map[string]struct {
		config config.Config
		want   bool
	}{
		"tokens alone":     {config.Config{JWT: jwt}, false},
		"a rule for users": {config.Config{JWT: jwt, Access: []config.AccessRule{{Pattern: "a", Follow: "users"}}}, false},
		"one for anyone":   {config.Config{JWT: jwt, Access: []config.AccessRule{{Pattern: "a", Follow: "anyone"}}}, true},
		"anyone":           {config.Config{JWT: jwt, Anyone: true}, true},
	} {
		var o push.Options
		users(t, test.config).Options(&o)
		if _, err := o.Identify(httptest.NewRequest(http.MethodGet, "/", nil)); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScopesOfKeys(t *testing.T) {
	b, err := NewBackends(&config.Config{PublishKey: "all", PublishKeys: []config.PublishKey{
		{Name: "orders", Key: "orders", Operations: []string{config.Publish, config.Read}, Topics: []string{"orders/{user}", "news"}},
		{Name: "support", KeyFile: file(t, []byte(" support\n")), Operations: []string{config.Users}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		header, operation string
		topics            []string
		want              error
	}{
		{"Bearer all", config.Publish, []string{"a/b/c"}, nil}, {"bearer all", config.Users, nil, nil}, {"Bearer all", config.Stats, nil, nil},
		{"Bearer orders", config.Publish, []string{"orders/ann", "news"}, nil}, {"Bearer orders", config.Read, []string{"orders/ann"}, nil},
		{"Bearer orders", config.Publish, nil, nil}, {"Bearer orders", config.Users, nil, push.CodeForbidden},
		{"Bearer orders", config.Publish, []string{"orders/ann", "other"}, push.CodeForbidden},
		{"Bearer orders", config.Publish, []string{"orders/ann/x"}, push.CodeForbidden}, {"Bearer orders", config.Publish, []string{""}, push.CodeForbidden},
		{"Bearer support", config.Users, nil, nil}, {"Bearer support", config.Users, []string{"news"}, push.CodeForbidden},
		{"Bearer support", config.Stats, nil, push.CodeForbidden},
		{"Bearer nothing", config.Stats, nil, push.CodeUnauthenticated}, {"Bearer ", config.Stats, nil, push.CodeUnauthenticated},
		{"Bearer", config.Stats, nil, push.CodeUnauthenticated}, {"Basic all", config.Stats, nil, push.CodeUnauthenticated},
		{"", config.Stats, nil, push.CodeUnauthenticated}, {"Bearer all ", config.Stats, nil, push.CodeUnauthenticated},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if test.header != "" {
			r.Header.Set("Authorization", test.header)
		}
		if err := b.Allow(r, test.operation, test.topics...); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %s %v: %v", test.header, test.operation, test.topics, err)
		}
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	for name, keys := range map[string][]config.PublishKey{
		"the same twice": {{Name: "a", Key: "k"}, {Name: "b", KeyFile: file(t, []byte("k"))}},
		"that of all":    {{Name: "a", Key: "all"}},
		"no file":        {{Name: "a", KeyFile: "/nonexistent"}},
		"an empty file":  {{Name: "a", KeyFile: file(t, []byte("\n"))}},
	} {
		if _, err := NewBackends(&config.Config{PublishKey: "all", PublishKeys: keys}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	b, err := NewBackends(new(config.Config))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer ")
	if err := b.Allow(r, config.Publish, "a"); !errors.Is(err, push.CodeForbidden) {
		t.Errorf("without keys: %v", err)
	}
}
