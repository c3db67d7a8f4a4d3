package pushtest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
)

// TestHubsSideBySide: the hubs of parallel tests are each other's business in nothing.
func TestHubsSideBySide(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			hub := pushtest.NewHub(t, push.Options{})
			client := hub.Client(t, pushtest.Transports[i%len(pushtest.Transports)])
			client.Follow("a")
			publish(t, hub, "a", fmt.Sprint(i))
			client.Expect("a", fmt.Sprint(i))
			client.Nothing()
		})
	}
}

// TestHubThatTheTestEnds: its clients are asked to come back, and then refused.
func TestHubThatTheTestEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		client := hub.Client(t, over)
		client.Follow("a")
		publish(t, hub, "a", "last")
		client.Expect("a", "last")
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestTimeOfABubbleIsTheHubs: heartbeats, and identities that expire, take no time.
func TestTimeOfABubbleIsTheHubs(t *testing.T) {
	for _, over := range pushtest.Transports {
		synctest.Test(t, func(t *testing.T) {
			hub := pushtest.NewHub(t, push.Options{})
			client := hub.Client(t, over, pushtest.As(push.Identity{User: "ann", Expires: time.Now().Add(time.Hour)}))
			client.Follow("a")
			session := client.Session()
			time.Sleep(50 * time.Minute)
			publish(t, hub, "a", "still there")
			client.Expect("a", "still there")
			client.Nothing()
			if client.Session() != session || over != pushtest.Poll && session == "" {
				t.Errorf("%v: session %q was %q", over, client.Session(), session)
			}
			time.Sleep(20 * time.Minute)
			if err := client.TryFollow("b"); err == nil {
				t.Errorf("%v: an identity that has expired is good", over)
			}
		})
	}
}

// TestCursorGoesOnElsewhere: a client begins where another was, or with the last messages.
func TestCursorGoesOnElsewhere(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		first := hub.Client(t, over)
		first.Follow("a")
		publish(t, hub, "a", "one")
		first.Expect("a", "one")
		since := first.Cursor()
		publish(t, hub, "a", "two")
		for _, next := range pushtest.Transports {
			second := hub.Client(t, next)
			second.Follow("a", pushtest.FollowOptions{Since: since})
			second.Expect("a", "two")
			second.Nothing()
			third := hub.Client(t, next)
			third.Follow("a", pushtest.FollowOptions{Recent: 5})
			third.Expect("a", "one", "two")
			third.Nothing()
		}
	})
}
