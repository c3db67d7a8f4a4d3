package faults_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// journal is a log that can be read.
type journal struct{ testaid.Log }

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) has(text string) bool { return j.count(text) > 0 }

func (j *journal) count(text string) int { return strings.Count(j.String(), text) }

// wantFew fails if the log has a secret, or repeats itself.
func (j *journal) wantFew(t *testing.T) {
	t.Helper()
	text := j.String()
	if strings.Contains(text, password) {
		t.Errorf("the log has the password: %s", text)
	}
	if n := strings.Count(text, "connection lost"); n > 1 {
		t.Errorf("the log says %d times that the connection is lost: %s", n, text)
	}
}

const password = "secret"

// F65: what Redis refuses makes the broker unhealthy, is said once, and heals.
func TestRefusedByRedis(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		refuse, mend []any
	}{
		{"Revoked", []any{"ACL", "SETUSER", "tidewire", "off"}, []any{"ACL", "SETUSER", "tidewire", "on"}},
		{"Password", []any{"ACL", "SETUSER", "tidewire", "resetpass", ">another"}, []any{"ACL", "SETUSER", "tidewire", ">" + password}},
		{"Commands", []any{"ACL", "SETUSER", "tidewire", "-evalsha", "-ssubscribe"}, []any{"ACL", "SETUSER", "tidewire", "+evalsha", "+ssubscribe"}},
		{"Channels", []any{"ACL", "SETUSER", "tidewire", "resetchannels"}, []any{"ACL", "SETUSER", "tidewire", "&tidewire:*"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			allow(t, server)
			admin := connect(t, server)
			o := server.Options()
			o.Username, o.Password = "tidewire", password
			var log journal
			b := newBroker(t, closing[*redis.Client](t)(redis.NewClient(o), nil), redisbroker.Options{Logger: log.logger()})
			f := follow(t, b, "a")
			publish(t, b, "a", "before")
			f.await("before")
			check(t, admin.Do(t.Context(), test.refuse...).Err())
			// Connections that are there keep their user, unless Redis ends them.
			check(t, admin.Do(t.Context(), "CLIENT", "KILL", "USER", "tidewire").Err())
			await(t, "bad health", func() bool { return b.Health(t.Context()) != nil })
			wantUnavailable(t, b, "a")
			await(t, "more attempts", func() bool {
				if b.Health(t.Context()) == nil {
					t.Fatal("healthy though refused")
				}
				return refusals(t, admin) >= 10
			})
			check(t, admin.Do(t.Context(), test.mend...).Err())
			begin := time.Now()
			awaitPublish(t, b, push.Message{Topic: "a", ID: "after", Data: []byte("after")})
			f.await("after")
			within(t, "healing", 3*time.Second, begin)
			f.wantNoGap()
			await(t, "health", func() bool { return b.Health(t.Context()) == nil })
			log.wantFew(t)
		})
	}
}

// refusals is how often the server has refused somebody.
func refusals(t *testing.T, admin *redis.Client) (n int64) {
	t.Helper()
	entries, err := admin.ACLLog(t.Context(), 100).Result()
	check(t, err)
	for _, entry := range entries {
		n += entry.Count
	}
	return n
}

// F65: the server's certificate expires while the broker runs.
func TestCertificateExpires(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := closing[*redistest.Server](t)(redistest.StartTLS(t.TempDir(), a.client(), a.serve(t)...))
	admin := connect(t, server)
	var log journal
	b := newBroker(t, connect(t, server), redisbroker.Options{Logger: log.logger()})
	f := follow(t, b, "a")
	publish(t, b, "a", "before")
	f.await("before")
	// use makes the server show another certificate. The admin's connection stays.
	use := func(args []string) {
		t.Helper()
		set := []any{"CONFIG", "SET"}
		for i := 0; i < len(args); i += 2 {
			set = append(set, strings.TrimPrefix(args[i], "--"), args[i+1])
		}
		check(t, admin.Do(t.Context(), set...).Err())
	}
	use(a.serveUntil(t, time.Now().Add(-time.Minute)))
	for _, kind := range []string{"normal", "pubsub"} {
		check(t, admin.ClientKillByFilter(t.Context(), "TYPE", kind, "SKIPME", "yes").Err())
	}
	await(t, "bad health", func() bool {
		err := b.Health(t.Context())
		return err != nil && strings.Contains(err.Error(), "expired")
	})
	wantUnavailable(t, b, "a")
	use(a.serve(t))
	begin := time.Now()
	awaitPublish(t, b, push.Message{Topic: "a", ID: "after", Data: []byte("after")})
	f.await("after")
	within(t, "healing", 3*time.Second, begin)
	f.wantNoGap()
	log.wantFew(t)
}
