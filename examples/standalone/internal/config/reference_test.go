package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the reference into docs/standalone.md")

const (
	guide = "../../../../docs/standalone.md"
	begin = "<!-- begin of what go test ./examples/standalone/internal/config -update writes -->\n"
	end   = "<!-- end -->\n"
)

// reference returns tables of all settings, by the first part of their names.
func reference() string {
	var b, lists strings.Builder
	c := new(Config)
	group := "?"
	for _, s := range settings(c) {
		of, _, isIn := strings.Cut(s.name, ".")
		if !isIn {
			of = ""
		}
		if of != group {
			group = of
			name := map[bool]string{true: "`" + of + "`", false: "setting"}[isIn]
			fmt.Fprintf(&b, "\n| %s | type | meaning |\n| --- | --- | --- |\n", name)
		}
		help := s.help
		if s.standard != "" {
			help += "; " + s.standard + " by default"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, s.kind(), help)
		if s.kind() == "list of objects" {
			fmt.Fprintf(&lists, "\n| in `%s` | type | meaning |\n| --- | --- | --- |\n", s.name)
			fields(&lists, s.field.Type().Elem(), "")
		}
	}
	return b.String() + lists.String() + "\n"
}

// fields writes a row for each field of the objects in a list.
func fields(b *strings.Builder, of reflect.Type, path string) {
	v := reflect.New(of).Elem()
	for _, s := range settingsOf(v, path) {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", s.name, s.kind(), s.help)
	}
}

func TestGuideHasAllSettings(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		t.Fatal("the guide has no place for the reference")
	}
	want := string(before) + begin + reference() + end + string(after)
	if *update {
		if err := os.WriteFile(guide, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Error("docs/standalone.md hasn't these settings; run go test ./examples/standalone/internal/config -update")
	}
}

// TestGuidesConfigurationsLoad: each JSON block that is a configuration is one.
func TestGuidesConfigurationsLoad(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```json\n")[1:]
	loaded := 0
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if strings.Contains(block, `"sub"`) || strings.Contains(block, `"code"`) {
			continue // a token, or an error
		}
		if _, err := load(t, block, nil); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
		loaded++
	}
	if loaded < 3 {
		t.Errorf("the guide has %d configurations", loaded)
	}
}
