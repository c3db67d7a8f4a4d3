package redisbroker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// uses are the ways to use topic "bad", with a position in it, and set "s".
func uses(first broker.Position) map[string]func(*testing.T, *Broker) error {
	return map[string]func(*testing.T, *Broker) error{
		"Publish": func(t *testing.T, b *Broker) error {
			_, err := b.Publish(t.Context(), push.Message{Topic: "bad", ID: "i"})
			return err
		},
		"Subscribe": func(t *testing.T, b *Broker) error {
			_, err := b.Subscribe(t.Context(), "bad", &recorder{})
			return err
		},
		"Recent": func(t *testing.T, b *Broker) error {
			_, err := b.Recent(t.Context(), "bad", broker.Limit{Messages: 10})
			return err
		},
		"Since": func(t *testing.T, b *Broker) error {
			_, err := b.Since(t.Context(), "bad", first, broker.Limit{})
			return err
		},
		"Put":  func(t *testing.T, b *Broker) error { return put(t, b, "k", time.Hour) },
		"Take": func(t *testing.T, b *Broker) error { _, err := b.Take(t.Context(), "s", "k"); return err },
		"All":  func(t *testing.T, b *Broker) error { _, err := b.All(t.Context(), "s"); return err },
	}
}

// TestForeignDataIsOneTopicsTrouble has data that isn't ours under the keys of a topic
// that is followed, and of a set. Callers that meet it get an error, and the operator a log
// line; nobody else notices.
func TestForeignDataIsOneTopicsTrouble(t *testing.T) {
	t.Parallel()
	set := Options{}.withDefaults().setKeys("s")
	meta, stream, id := Options{}.withDefaults().topicKeys("bad", "i")
	type command []any
	entry := func(fields ...any) command { return append(command{"XADD", stream, "2-0"}, fields...) }
	head := func(fields ...any) command { return append(command{"HSET", meta}, fields...) }
	tests := []struct {
		name  string
		do    []command
		fails string // ways, in the order of the alphabet
		found string
	}{
		{"a head that is a string", []command{{"SET", meta, "x"}}, "Publish Recent Since Subscribe", `m:bad\" is a string`},
		{"a head that is a list", []command{{"DEL", meta}, {"LPUSH", meta, "x"}}, "Publish Recent Since Subscribe", `m:bad\" is a list`},
		{"a history that is a string", []command{{"SET", stream, "x"}}, "Publish Recent", `s:bad\" is a string`},
		{"a head with a foreign epoch", []command{head("e", "x")}, "Publish Recent Since Subscribe", `m:bad\" is a hash`},
		{"a head with a foreign offset", []command{head("o", "x")}, "Publish Recent Since Subscribe", `m:bad\" is a hash`},
		{"an entry with too few fields", []command{entry("x", "y"), head("o", 2)}, "Recent", `s:bad\" is a stream`},
		{"an entry with a foreign body", []command{entry("t", "0", "p", "0", "m", time.Now().UnixMilli(), "c", 0, "b", "\x02"), head("o", 2)}, "Recent", `s:bad\" is a stream`},
		{"an entry beyond the head", []command{{"XADD", stream, "9-0", "x", "y"}}, "Publish", `s:bad\" is a stream`},
		{"an ID that is a list", []command{{"DEL", id}, {"LPUSH", id, "x"}}, "Publish", `i:bad\\ni\" is a list`},
		{"a set of values that is a string", []command{{"SET", set[0], "x"}}, "All Put Take", `v:s\" is a string`},
		{"expiries that are a string", []command{{"SET", set[1], "x"}}, "Put", `x:s\" is a string`},
		{"a value without its expiry", []command{{"HSET", set[0], "k", "x"}}, "All Take", `v:s\" is a hash`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, client := startServer(t)
			var log journal
			b := brokerOn(t, client, Options{Logger: log.logger(), Check: time.Hour})
			ways := uses(add(t, b, "bad", "x"))
			must(t, put(t, b, "k", time.Hour))
			good := &signal{at: make(chan uint64, 100)}
			_, err := b.Subscribe(t.Context(), "good", good)
			must(t, err)
			for _, c := range test.do {
				must(t, client.Do(t.Context(), c...).Err())
			}
			for name := range strings.FieldsSeq(test.fails) {
				err := ways[name](t, b)
				if e := push.AsError(err); err == nil || e.Code != push.CodeInternal || e.Reason != follow.ForeignData {
					t.Errorf("%s: %v", name, err)
				}
			}
			if log.wantOnce(t, follow.ForeignData); !strings.Contains(log.String(), test.found) {
				t.Errorf("the log doesn't say what was found: %s", &log)
			}
			testaid.Eventually(t, "bad health", func() bool {
				_ = ways[strings.Fields(test.fails)[0]](t, b) // it lasts as long as somebody meets it
				err := b.Health(t.Context())
				return err != nil && push.AsError(err).Reason == follow.ForeignData
			})
			add(t, b, "good", "x")
			<-good.at
			must(t, client.FlushAll(t.Context()).Err())
			add(t, b, "bad", "x")
			healthSays(t, b, "")
		})
	}
}

// calls is how often Redis was given a command.
func calls(t *testing.T, client *redis.Client, command string) (n int64) {
	t.Helper()
	_, rest, _ := strings.Cut(client.Info(t.Context(), "commandstats").Val(), "cmdstat_"+command+":calls=")
	_, err := fmt.Sscan(strings.SplitN(rest, ",", 2)[0], &n)
	must(t, err)
	return n
}

// TestForeignMessagesAreSaidOnce floods a channel with what isn't ours.
func TestForeignMessagesAreSaidOnce(t *testing.T) {
	_, client := startServer(t)
	var log journal
	b := brokerOn(t, client, Options{Logger: log.logger(), Check: time.Hour})
	r := &signal{at: make(chan uint64, 10)}
	_, err := b.Subscribe(t.Context(), "a", r)
	must(t, err)
	before := calls(t, client, "evalsha")
	const garbage = 1000
	for range garbage {
		must(t, client.SPublish(t.Context(), b.options.channel("a"), "\x1b[31m"+strings.Repeat("x", 10_000)).Err())
	}
	add(t, b, "a", "x")
	<-r.at
	log.wantOnce(t, follow.ForeignMessages)
	if text := log.String(); len(text) > 2000 || strings.Contains(text, "\x1b") {
		t.Errorf("the log has %d bytes: %.2000q", len(text), text)
	}
	if n := calls(t, client, "evalsha") - before; n > 2 {
		t.Errorf("%d scripts for one message", n)
	}
	if err := b.Health(t.Context()); !errors.Is(err, push.CodeInternal) {
		t.Errorf("health: %v", err)
	}
}
