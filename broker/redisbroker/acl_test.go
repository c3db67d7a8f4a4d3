package redisbroker

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestUserOfTheDocumentation does all that a broker does as the user that docs/redis.md
// sets up, to whom nothing is refused; and that user may do nothing else.
func TestUserOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/redis.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "ACL SETUSER tidewire ")
	rules, _, _ := strings.Cut(rest, "```")
	redisServer, admin := startServer(t)
	setUser := []any{"ACL", "SETUSER", "tidewire"}
	for rule := range strings.FieldsSeq(strings.Replace(rules, ">…", ">secret", 1)) {
		setUser = append(setUser, rule)
	}
	must(t, admin.Do(t.Context(), setUser...).Err())
	o := redisServer.Options()
	o.Username, o.Password, o.DisableIdentity = "tidewire", "secret", true
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	b := brokerOn(t, client, Options{Check: 10 * time.Millisecond, History: broker.History{Messages: 10, Bytes: 1000}, Topics: stateRules})
	r := &signal{at: make(chan uint64, 100)}
	_, err = b.Subscribe(t.Context(), "a", r)
	must(t, err)
	for range 12 { // the history is trimmed
		add(t, b, "a", strings.Repeat("x", 200))
		<-r.at
	}
	_, err = b.Publish(t.Context(), push.Message{Topic: "a", ID: "i", Replicated: true})
	if push.AsError(err).Code != push.CodeNotReplicated {
		t.Errorf("Replicated: %v", err)
	}
	_, err = b.Recent(t.Context(), "a", broker.Limit{Messages: 5})
	must(t, err)
	_, err = b.Since(t.Context(), "a", at(1, 1), broker.Limit{})
	must(t, err)
	must(t, put(t, b, "old", time.Millisecond))
	must(t, put(t, b, "k", time.Hour))
	// What has expired is forgotten.
	testaid.Eventually(t, "one value", func() bool {
		must(t, put(t, b, "k", time.Hour))
		return admin.HLen(t.Context(), b.options.setKeys("s")[0]).Val() == 1
	})
	_, err = b.All(t.Context(), "s")
	must(t, err)
	_, err = b.Take(t.Context(), "s", "k")
	must(t, err)
	changeAll(t, b)
	healthSays(t, b, "")
	b.Unsubscribe("a", r)
	meta, _ := b.keys("bad")
	must(t, admin.Set(t.Context(), meta, "x", 0).Err())
	if _, err := b.Recent(t.Context(), "bad", broker.Limit{Messages: 1}); !strings.Contains(push.AsError(err).Error(), "is a string") {
		t.Errorf("foreign data: %v", err)
	}
	log, err := admin.ACLLog(t.Context(), 100).Result()
	must(t, err)
	for _, entry := range log {
		t.Errorf("refused: %s (%s)", entry.Object, entry.Reason)
	}
	for _, command := range [][]any{{"get", meta}, {"publish", meta, "x"}, {"keys", "*"}, {"hset", "other", "a", "b"}, {"spublish", "other", "x"}} {
		if text := admin.Do(t.Context(), append([]any{"ACL", "DRYRUN", "tidewire"}, command...)...).Val(); text == "OK" {
			t.Errorf("may do %v", command)
		}
	}
}

// put stores "x" under a key, in place of what is there.
func put(t *testing.T, b *Broker, key string, ttl time.Duration) error {
	t.Helper()
	_, err := b.Put(t.Context(), "s", key, broker.Stored{Value: []byte("x"), Version: putVersions.Add(1), TTL: ttl})
	return err
}

var putVersions atomic.Uint64
