package redisbroker

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// journal is a log that can be read.
type journal struct{ testaid.Log }

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// wantOnce fails unless the log says something once.
func (j *journal) wantOnce(t *testing.T, what string) {
	t.Helper()
	if n := strings.Count(j.String(), what); n != 1 {
		t.Errorf("%q is said %d times: %.2000s", what, n, j)
	}
}

// healthSays waits until the broker has this to say of its health; nothing if it is
// well.
func healthSays(t *testing.T, b *Broker, want string) {
	t.Helper()
	testaid.Eventually(t, fmt.Sprintf("health of %q", want), func() bool {
		err := b.Health(t.Context())
		return want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want)
	})
}

// redisError is an answer of Redis.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

func TestRefusalsSayWhatTheyAre(t *testing.T) {
	const secret = "hunter2"
	tests := []struct {
		answer, want string
		lasting      bool
	}{
		{"TOOOLD Redis 7.0 or newer is needed", "too old", true},
		{"ERR unknown command `HELLO`, with args beginning with: `3` `AUTH` `default` `" + secret + "`", "lacks a command", true},
		{"NOPERM User x has no permissions to run the 'evalsha' command", "may not do what it must", true},
		{"ERR The user executing the script can't run this command or subcommand script: f, on @user_script:8.", "may not do what it must", true},
		{"ERR ACL failure in script: User x has no permissions to run the 'xadd' command", "may not do what it must", true},
		{"NOAUTH Authentication required.", "has no password", true},
		{"WRONGPASS invalid username-password pair or user is disabled.", "password is refused", true},
		{"ERR AUTH <password> called without any password configured", "password is refused", true},
		{"DENIED Redis is running in protected mode", "refuses connections", true},
		{"ERR This instance has cluster support disabled", "no Cluster", true},
		{"OOM command not allowed when used memory > 'maxmemory'.", "memory is full", false},
		{"MISCONF Redis is configured to save RDB snapshots", "can't save", false},
		{"READONLY You can't write against a read only replica.", "can't be written to", false},
		{"NOREPLICAS Not enough good replicas to write.", "too few replicas", false},
		{"MASTERDOWN Link with MASTER is down", "lost its primary", false},
		{"LOADING Redis is loading the dataset in memory", "still loading", false},
		{"BUSY Redis is busy running a script.", "busy with a script", false},
		{"CLUSTERDOWN Hash slot not served", "Cluster is down", false},
		{"MOVED 1 127.0.0.1:1", "moving this slot", false},
		{"TRYAGAIN Multiple keys request during rehashing of slot", "moving this slot", false},
		{"ERR max number of clients reached", "too many connections", false},
		{"WRONGTYPE Operation against a key holding the wrong kind of value script: f", follow.ForeignData, true},
		{"ERR user_script:40: attempt to perform arithmetic on a nil value", follow.ForeignData, true},
		{"ERR The ID specified in XADD is equal or smaller than the target stream top item", follow.ForeignData, true},
		{"ERR something new " + strings.Repeat("x", 10_000), "refuses", false},
	}
	for _, test := range tests {
		err := unavailable(fmt.Errorf("wrapped: %w", redisError(test.answer)))
		if got := push.AsError(err).Reason; !strings.Contains(got, test.want) || strings.Contains(got, "can't be reached") {
			t.Errorf("%.80q: %q, want %q", test.answer, got, test.want)
		}
		var refusal *follow.RefusalError
		if !errors.As(err, &refusal) {
			t.Errorf("%.80q: %v is no refusal", test.answer, err)
			continue
		}
		if refusal.Lasting != test.lasting {
			t.Errorf("%.80q: lasting is %v", test.answer, refusal.Lasting)
		}
		for what, text := range map[string]string{"refusal, which is logged,": refusal.Error(), "error": err.Error()} {
			if strings.Contains(text, secret) || len(text) > 1000 || text == "" {
				t.Errorf("%.80q: the %s says %.1200q", test.answer, what, text)
			}
		}
	}
}

// TestRefusedByRedis has a Redis that answers, and refuses.
func TestRefusedByRedis(t *testing.T) {
	t.Parallel()
	loop := func(t *testing.T, client *redis.Client) {
		other := redis.NewClient(client.Options())
		t.Cleanup(func() { other.Close() })
		done := make(chan struct{})
		go func() {
			defer close(done)
			other.Eval(t.Context(), "while true do end", nil) // until it is killed
		}()
		t.Cleanup(func() { <-done })
		testaid.Eventually(t, "a busy Redis", func() bool { return client.Ping(t.Context()).Err() != nil })
	}
	do := func(args ...any) func(*testing.T, *redis.Client) {
		return func(t *testing.T, client *redis.Client) { must(t, client.Do(t.Context(), args...).Err()) }
	}
	tests := []struct {
		name           string
		refuse, repair func(*testing.T, *redis.Client)
		want           string
	}{
		{"full", do("CONFIG", "SET", "maxmemory", "1"), do("CONFIG", "SET", "maxmemory", "0"), "memory is full"},
		{"too few replicas", do("CONFIG", "SET", "min-replicas-to-write", "1"), do("CONFIG", "SET", "min-replicas-to-write", "0"), "too few replicas"},
		{"replica", do("REPLICAOF", "127.0.0.1", "1"), do("REPLICAOF", "NO", "ONE"), "can't be written to"},
		{"no permission", do("ACL", "SETUSER", "tidewire", "-xadd", "-hset"), do("ACL", "SETUSER", "tidewire", "+@all"), "may not do what it must"},
		{"busy", loop, func(t *testing.T, client *redis.Client) {
			must(t, client.ScriptKill(t.Context()).Err())
			testaid.Eventually(t, "an idle Redis", func() bool { return client.Ping(t.Context()).Err() == nil })
		}, "busy with a script"},
		{"can't save", func(t *testing.T, client *redis.Client) {
			must(t, client.ConfigSet(t.Context(), "save", "3600 1").Err())
			dir := client.ConfigGet(t.Context(), "dir").Val()["dir"]
			must(t, os.MkdirAll(dir+"/dump.rdb/x", 0o700)) // where the file should be
			client.BgSave(t.Context())
			testaid.Eventually(t, "a failed save", func() bool {
				return strings.Contains(client.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:err")
			})
		}, do("CONFIG", "SET", "stop-writes-on-bgsave-error", "no"), "can't save"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, admin := startServer(t, "--busy-reply-threshold", "10")
			must(t, admin.Do(t.Context(), "ACL", "SETUSER", "tidewire", "on", "nopass", "~*", "&*", "+@all").Err())
			o := server.Options()
			o.Username, o.Password = "tidewire", "any"
			client := redis.NewClient(o)
			t.Cleanup(func() { client.Close() })
			var log journal
			b := brokerOn(t, client, Options{Logger: log.logger()})
			add(t, b, "a", "x")
			test.refuse(t, admin)
			for range 3 {
				_, err := b.Publish(t.Context(), push.Message{Topic: "a", ID: "i"})
				if reason := push.AsError(err).Reason; !errors.Is(err, push.CodeUnavailable) || !strings.Contains(reason, test.want) {
					t.Errorf("Publish: %v", err)
				}
			}
			healthSays(t, b, test.want)
			log.wantOnce(t, test.want)
			test.repair(t, admin)
			add(t, b, "a", "x")
			healthSays(t, b, "")
		})
	}
}
