package faults_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// newHub starts an instance that takes the path of a request for its user.
func newHub(t *testing.T, b *redisbroker.Broker) *push.Hub {
	t.Helper()
	hub := push.New(b, push.Options{
		Logger:   quiet,
		Identify: func(r *http.Request) (push.Identity, error) { return push.Identity{User: r.URL.Path[1:]}, nil },
	})
	t.Cleanup(func() { check(t, hub.Shutdown(context.Background())) })
	return hub
}

// refuses reports whether a user is refused because somebody has revoked that.
func refuses(hub *push.Hub, user string) bool {
	_, err := session.Of(hub).Identify(httptest.NewRequest(http.MethodGet, "/"+user, nil))
	return errors.Is(err, push.CodeForbidden)
}

// A Redis that comes back from an old copy of its data says that a user is free who was revoked since.
func TestRestartFromAnOldCopyFreesNobody(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	admin := connect(t, server)
	hub := newHub(t, newBroker(t, connect(t, server), redisbroker.Options{}))
	eve, bob := push.Revocation{User: "eve", For: time.Hour}, push.Revocation{User: "bob", For: time.Hour}
	check(t, hub.Revoke(t.Context(), eve))
	check(t, hub.Restore(t.Context(), eve))
	check(t, hub.Revoke(t.Context(), bob))
	check(t, admin.Save(t.Context()).Err())
	check(t, hub.Revoke(t.Context(), eve))
	check(t, hub.Restore(t.Context(), bob))
	for range 2 { // the second time the copy is just as old
		check(t, server.Stop(os.Kill))
		check(t, server.Restart())
		late := newHub(t, newBroker(t, connect(t, server), redisbroker.Options{}))
		refuses(late, "eve") // it has read what is stored, right or not
		for name, in := range map[string]*push.Hub{"the one that knows": hub, "the one that came meanwhile": late} {
			await(t, name, func() bool { return refuses(in, "eve") && !refuses(in, "bob") })
		}
		last := newHub(t, newBroker(t, connect(t, server), redisbroker.Options{}))
		await(t, "one that comes later", func() bool { return refuses(last, "eve") && !refuses(last, "bob") })
	}
}
