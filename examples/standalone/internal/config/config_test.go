package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func load(t *testing.T, file string, environ []string, args ...string) (Loaded, error) {
	t.Helper()
	if file != "" {
		name := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-config", name}, args...)
	}
	return Load(args, environ, t.Output())
}

func TestDefaults(t *testing.T) {
	l, err := load(t, "", nil)
	want := Config{Addr: "127.0.0.1:8080", JWT: JWT{Claim: "tidewire"}, Drain: Drain{Window: Duration(15 * time.Second)}}
	if err != nil || !reflect.DeepEqual(l.Config, want) {
		t.Errorf("%+v, %v", l.Config, err)
	}
}

func TestFlagsBeforeEnvironmentBeforeFile(t *testing.T) {
	file := `{"addr": "file:1", "redis": "redis://file", "limits": {"perUser": 1, "memory": 4096, "sends": "1/s"}, "state": ["file"], "relay": true}`
	environ := []string{
		"TIDEWIRE_REDIS=redis://env", "TIDEWIRE_LIMITS_PER_USER=2", "TIDEWIRE_LIMITS_MEMORY=2MiB", "TIDEWIRE_STATE=env,{x}",
		"TIDEWIRE_ADDR=", "TIDEWIRE_RELAY=false", "PATH=/bin",
	}
	l, err := load(t, file, environ, "-limits-per-user", "3", "-state", "a,b", "-state", "c", "-anyone", "-drain-delay=5s")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Addr: "file:1", Redis: "redis://env", Anyone: true, State: []string{"a,b", "c"}, JWT: JWT{Claim: "tidewire"},
		Limits: Limits{PerUser: 3, Memory: 2 << 20, Sends: Rate{PerSecond: 1}},
		Drain:  Drain{Delay: Duration(5 * time.Second), Window: Duration(15 * time.Second)},
	}
	if !reflect.DeepEqual(l.Config, want) {
		t.Errorf("got  %+v\nwant %+v", l.Config, want)
	}
	if l, err := load(t, "", []string{`TIDEWIRE_ACCESS=[{"pattern":"a","follow":"anyone"}]`, `TIDEWIRE_HOST= a , b`, "TIDEWIRE_STATE=a,b"}); err != nil ||
		len(l.Access) != 1 || l.Hosts() != "a,b" || !reflect.DeepEqual(l.State, []string{"a,b"}) {
		t.Errorf("%+v, %v", l.Config, err)
	}
}

func TestTheEnvironmentNamesTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(name, []byte(`{"relay": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := load(t, "", []string{"TIDEWIRE_CONFIG=" + name, "TIDEWIRE_TYPO=1", "TIDEWIRE_PORT_80_TCP=x", "TIDEWIRE_SERVICE_HOST=x"})
	if err != nil || !l.Relay || !reflect.DeepEqual(l.Unknown, []string{"TIDEWIRE_TYPO"}) {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestMistakes names each with its line or its setting.
func TestMistakes(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"an unknown setting":       {"{\n\n\"adr\": \"x\"}", "line 3: adr: there is no such setting"},
		"one in an object":         {"{\"limits\": {\n\"perUsers\": 1}}", "line 2: limits.perUsers: there is no such setting"},
		"one in a list":            {"{\"access\": [\n{\"pattern\": \"a\"},\n{\"patern\": \"a\"}]}", "line 3: access[1].patern: there is no such setting"},
		"another case":             {"{\"Addr\": \"x\"}", "line 1: Addr: there is no such setting"},
		"a setting twice":          {"{\"addr\": \"x\",\n\"addr\": \"y\"}", "line 2: addr: it is given twice"},
		"another type":             {"{\n\"addr\": 7}", "line 2: addr: it has to be a string"},
		"null":                     {"{\"anyone\": null}", "line 1: anyone: it has to be a boolean"},
		"a fraction":               {"{\"limits\": {\"perUser\": 1.5}}", "limits.perUser: it has to be a whole number"},
		"no object":                {"{\"limits\": []}", "line 1: limits: it has to be an object"},
		"no list":                  {"{\"state\": \"a\"}", "line 1: state: it has to be a list"},
		"no duration":              {"{\"recheck\": \"soon\"}", `line 1: recheck: a duration is as in "1h30m"`},
		"a number as a duration":   {"{\"recheck\": 60}", `line 1: recheck: a duration is as in "1h30m"`},
		"no size":                  {"{\"limits\": {\"memory\": \"1GB\"}}", "limits.memory: a size is as in"},
		"no rate":                  {"{\"limits\": {\"opens\": \"10\"}}", "limits.opens: a rate is as in"},
		"a burst of zero":          {"{\"limits\": {\"opens\": \"10/s burst 0\"}}", "limits.opens: a rate is as in"},
		"a comma":                  {"{\n\"anyone\": true,\n}", "line 3: invalid character"},
		"half of it":               {"{\n\"anyone\": true", "line 2: unexpected end"},
		"more after it":            {"{}\n{}", "line 2: invalid character"},
		"a malformed pattern":      {`{"state": ["a{b}"]}`, `state: the pattern "a{b}"`},
		"a reserved topic":         {`{"topics": [{"pattern": "tidewire.x"}]}`, "topics[0]: the pattern"},
		"an unknown who":           {`{"access": [{"pattern": "a/{b}", "follow": "{c}"}]}`, `access[0]: "{c}" is neither`},
		"a network":                {`{"proxies": ["10.0.0.0/99"]}`, "proxies:"},
		"half a certificate":       {`{"tls": {"certFile": "a"}}`, "tls: certFile and keyFile go together"},
		"a negative time":          {`{"drain": {"delay": "-1s"}}`, "drain: a time is not negative"},
		"a key without topics":     {`{"publishKeys": [{"name": "a", "key": "k", "operations": ["read"]}]}`, "publishKeys[0]: a key to publish or read names topics"},
		"a key for nothing":        {`{"publishKeys": [{"name": "a", "key": "k"}]}`, "publishKeys[0]: a key is for some"},
		"an unknown operation":     {`{"publishKeys": [{"name": "a", "key": "k", "operations": ["fly"]}]}`, `the operation "fly" is none`},
		"a key without a key":      {`{"publishKeys": [{"name": "a", "operations": ["stats"]}]}`, "either key or keyFile"},
		"a key with a line end":    {`{"publishKey": "secret\n"}`, "publishKey: a key has no white space"},
		"a key of white space":     {`{"publishKeys": [{"name": "a", "key": " ", "operations": ["stats"]}]}`, "publishKeys[0]: a key has no white space"},
		"a key without a name":     {`{"publishKeys": [{"key": "k", "operations": ["stats"]}]}`, "a key has a name of its own"},
		"a secret without use":     {`{"jwt": {"secret": "s"}}`, "jwt: a key needs algorithms"},
		"an algorithm without key": {`{"jwt": {"algorithms": ["HS256"]}}`, "jwt: algorithms need a key"},
		"two secrets":              {`{"jwt": {"secret": "s", "secretFile": "f", "algorithms": ["HS256"]}}`, "either secret or secretFile"},
		"two keys of one id":       {`{"jwt": {"keys": [{"file": "a"}, {"file": "b"}], "algorithms": ["HS256"]}}`, "two keys have the id"},
		"a key without a file":     {`{"jwt": {"keys": [{"id": "a"}], "algorithms": ["HS256"]}}`, "a key has a file"},
	} {
		if _, err := load(t, test.file, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	if _, err := load(t, "", []string{"TIDEWIRE_RECHECK=x"}); err == nil || !strings.Contains(err.Error(), "TIDEWIRE_RECHECK: a duration") {
		t.Error(err)
	}
	for _, args := range [][]string{{"-recheck", "x"}, {"-nothing"}, {"file"}, {"-config", "/nonexistent"}, {"-topics", `[{"x":1}]`}, {"-anyone=x"}} {
		if _, err := load(t, "", nil, args...); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := load(t, "", nil, "-help"); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

func TestScalarsComeBack(t *testing.T) {
	for _, text := range []string{"0", "-1B", "17B", "64KiB", "1MiB", "3GiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		var again Bytes
		written, _ := b.MarshalText()
		if err := again.UnmarshalText(written); err != nil || again != b {
			t.Errorf("%s is %s, %v", text, written, err)
		}
	}
	for text, want := range map[string]Rate{
		"10/s": {10, 0}, "5/m burst 50": {5. / 60, 50}, "36/h": {.01, 0}, "0.5/s burst 3": {.5, 3}, "unlimited": {-1, 0},
	} {
		var r, again Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %v, %v", text, r, err)
		}
		written, _ := r.MarshalText()
		if err := again.UnmarshalText(written); err != nil || again != r {
			t.Errorf("%s is %s, %v", text, written, err)
		}
	}
}

// fill sets every field below v, so that none is forgotten where all are gone through.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("hunter2")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(3)
	default:
		panic("no setting is a " + v.Kind().String())
	}
}

func TestShownIsAFile(t *testing.T) {
	var c, again Config
	fill(reflect.ValueOf(&c).Elem())
	c.Redis, c.JWT.JWKS = "redis://user:hunter2@host?sentinel_password=hunter2&db=1", "https://user:hunter2@host/keys"
	shown := c.Show()
	if err := decode(shown, reflect.ValueOf(&again).Elem()); err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	if c.PublishKeys[0].Key != "hunter2" {
		t.Error("Show changes the original")
	}
	if again.Redis != "redis://user:xxxxx@host?db=1&sentinel_password=xxxxx" {
		t.Error(again.Redis)
	}
	if again.JWT.JWKS != "https://user:xxxxx@host/keys" {
		t.Error(again.JWT.JWKS)
	}
	again.JWT.JWKS = c.JWT.JWKS
	again.Redis, again.PublishKey, again.PublishKeys[0].Key, again.JWT.Secret = c.Redis, "hunter2", "hunter2", "hunter2"
	if !reflect.DeepEqual(again, c) {
		t.Errorf("got %+v", again)
	}
}

// TestSecretsAreMarked finds fields whose names sound like secrets, and aren't hidden.
func TestSecretsAreMarked(t *testing.T) {
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[Rate]() {
			return
		}
		for f := range of.Fields() {
			name := strings.ToLower(f.Name)
			sounds := strings.HasSuffix(name, "key") || strings.HasSuffix(name, "secret")
			if f.Type.Kind() == reflect.String && sounds && f.Tag.Get("secret") == "" {
				t.Errorf("%s.%s isn't hidden", of.Name(), f.Name)
			}
			if f.Tag.Get("json") == "" || f.Tag.Get("help") == "" && f.Type.Kind() != reflect.Struct {
				t.Errorf("%s.%s has no name or no help", of.Name(), f.Name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
}

// TestOptionsHaveAllSettings: no limit and no rule is read and then left out.
func TestOptionsHaveAllSettings(t *testing.T) {
	var c Config
	fill(reflect.ValueOf(&c).Elem())
	c.Proxies = []string{"10.0.0.1", "10.0.0.0/8"}
	all := c.HubOptions()
	if len(all.Proxies) != 2 || !reflect.DeepEqual(all.Origins, []string{push.AnyOrigin, "hunter2"}) {
		t.Errorf("%v, %v", all.Proxies, all.Origins)
	}
	for name, value := range map[string]any{"limits": all.Limits, "rule": c.TopicRules()[1], "history": c.TopicRules()[1].History} {
		v := reflect.ValueOf(value)
		for i := range v.NumField() {
			if field := v.Type().Field(i).Name; v.Field(i).IsZero() && field != "Silence" {
				t.Errorf("%s: %s isn't set", name, field)
			}
		}
	}
	text, err := json.Marshal(c.Limits)
	if err != nil || strings.Count(string(text), ":") != reflect.TypeFor[Limits]().NumField() {
		t.Errorf("%s, %v", text, err)
	}
}
