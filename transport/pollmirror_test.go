package transport_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// TestLoopOfTheProtocolMirrors runs the loop of docs/protocol.md that mirrors a state by
// polls, with connections that are cut.
func TestLoopOfTheProtocolMirrors(t *testing.T) {
	needTools(t, "sh", "curl", "jq")
	_, section, _ := strings.Cut(read(t, "../docs/protocol.md"), "\n## State topics\n")
	loop := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(section)
	rules := regexp.MustCompile("(?s)```jq\n(.*?)```").FindStringSubmatch(section)
	if loop == nil || rules == nil {
		t.Fatal("there is no loop")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mirror.jq"), []byte(rules[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	b := membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
	in := newInstance(t, b, func(l net.Listener) net.Listener { return &everyThird{Listener: l} })
	change := func(do func(m push.Message) (push.Receipt, error), key, data string) {
		if _, err := do(push.Message{Topic: "prices", Key: key, Data: []byte(data)}); err != nil {
			t.Error(err)
		}
	}
	set := func(m push.Message) (push.Receipt, error) { return in.hub.Set(t.Context(), m) }
	for i := range 100 {
		change(set, fmt.Sprint("k", i), "before")
	}
	out := startLoop(t, dir, strings.NewReplacer("http://127.0.0.1:8080", in.server.URL, "sleep .1", ":").Replace(loop[1]))
	for i := range 200 {
		change(set, fmt.Sprint("k", i%50), fmt.Sprint(i))
		change(func(m push.Message) (push.Receipt, error) { return in.hub.Append(t.Context(), m) }, "text", fmt.Sprint(i, ";"))
		change(func(m push.Message) (push.Receipt, error) { return in.hub.Delete(t.Context(), m) }, fmt.Sprint("k", 50+i%50), "")
	}
	want := map[string]string{}
	entries, _, err := in.hub.State(t.Context(), "prices")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want[e.Key] = string(e.Data)
	}
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			t.Fatal("the loop has ended before it had the map")
		}
		var got map[string]string
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if maps.Equal(got, want) {
			return
		}
	}
}
