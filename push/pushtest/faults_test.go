package pushtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
	"github.com/tidewire/tidewire/transport"
)

func TestLostMessageIsRepaired(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		client := hub.Client(t, over)
		client.Follow("a")
		hub.Lose("a")
		publish(t, hub, "a", "lost, and there with the next")
		publish(t, hub, "a", "next")
		client.Expect("a", "lost, and there with the next", "next")
		hub.Lose("a")
		publish(t, hub, "a", "lost, and found by the check")
		client.Expect("a", "lost, and found by the check")
		client.Nothing()
	})
}

func TestLostMessageWhoseHistoryIsGone(t *testing.T) {
	for _, over := range pushtest.Transports {
		synctest.Test(t, func(t *testing.T) {
			hub := pushtest.NewHub(t, push.Options{})
			client := hub.Client(t, over)
			client.Follow("a")
			hub.Lose("a")
			publish(t, hub, "a", "lost for ever")
			hub.Expire("a")
			client.Expect("a", pushtest.Gap(broker.GapTrimmed))
			publish(t, hub, "a", "after")
			client.Expect("a", "after")
			client.Nothing()
		})
	}
}

func TestStalledClientIsCutAndResumes(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		cut := make(chan error, 10)
		hub := pushtest.NewHub(t, push.Options{
			QueueMessages: 8, Disconnected: func(_ push.Identity, _ string, reason error, _ time.Duration) { cut <- reason },
		})
		client := hub.Client(t, over)
		client.Follow("a")
		client.Stall()
		if err := client.TryFollow("b"); err == nil {
			t.Error("a stalled client can follow")
		}
		for i := range 50 {
			publish(t, hub, "a", fmt.Sprint(i))
		}
		if over != pushtest.Poll { // an answer to a poll has its own bound
			for err := range cut {
				if errors.Is(err, push.CodeSlowConsumer) {
					break
				}
			}
		}
		client.Resume()
		for i := range 50 {
			client.Expect("a", fmt.Sprint(i))
		}
		client.Nothing()
	})
}

func TestBrokerFailsUntilItIsHealed(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		client := hub.Client(t, over)
		client.Follow("a")
		away := errors.New("the store is away")
		hub.FailBroker(away)
		if _, err := hub.Publish(t.Context(), push.Message{Topic: "a"}); !errors.Is(err, push.CodeUnavailable) || !errors.Is(err, away) {
			t.Errorf("got %v", err)
		}
		if err := client.TryFollow("b"); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("b: %v", err)
		}
		hub.Published.None()
		hub.Heal()
		client.Follow("b")
		publish(t, hub, "a", "one")
		publish(t, hub, "b", "two")
		client.Expect("a", "one")
		client.Expect("b", "two")
		client.Nothing()
	})
}

// TestHubThatDoesntEndWell: what is logged as an error, what is left, what has to be cut.
func TestHubThatDoesntEndWell(t *testing.T) {
	logged := watched(t, func(t testing.TB) {
		hub := pushtest.NewHub(t, push.Options{Connected: func(push.Identity, string) { panic("oh") }})
		hub.Client(t).Follow("a")
	})
	says(t, logged, "logged at level ERROR", "oh", "hub.ExpectError")
	if text := watched(t, func(t testing.TB) {
		hub := pushtest.NewHub(t, push.Options{Connected: func(push.Identity, string) { panic("oh") }})
		hub.ExpectError("oh")
		hub.Client(t).Follow("a")
	}); text != "" {
		t.Errorf("an expected error fails: %s", text)
	}
	says(t, watched(t, func(t testing.TB) { pushtest.NewHub(t, push.Options{}).ExpectError("oh") }), "announced", `"oh"`)
	if text := watched(t, func(t testing.TB) {
		hub := pushtest.NewHub(t, push.Options{Logger: slog.New(slog.DiscardHandler), Connected: func(push.Identity, string) { panic("oh") }})
		hub.Client(t).Follow("a")
	}); text != "" {
		t.Errorf("a hub with a logger of its own fails: %s", text)
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		says(t, watched(t, func(t testing.TB) {
			hub := pushtest.NewHub(t, push.Options{Left: func(push.Identity, string, string) { <-release }})
			hub.Client(t).Follow("a")
		}), "clients or hooks didn't end within 10s", "a goroutine of the hub is left")
	})
}

func TestFailuresSayWhatCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(test func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client)) string {
			t.Helper()
			text := watched(t, func(t testing.TB) {
				hub := pushtest.NewHub(t, push.Options{Authorize: func(_ context.Context, a push.Access) error {
					if a.Topic == "secret" {
						return push.CodeForbidden
					}
					return nil
				}})
				client := hub.Client(t, pushtest.As(push.Identity{User: "ann"}))
				client.Follow("a")
				test(t, hub, client)
			})
			if text == "" {
				t.Error("it hasn't failed")
			}
			return text
		}
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			hub.PublishJSON(context.Background(), "a", map[string]any{"total": 7, "items": []int{1, 2}, "more": "<b>"})
			client.Expect("a", map[string]any{"total": 5, "items": []int{1, 3}, "no": nil})
		}), "event 1 of 1 of the client of ann (WebSocket) isn't what was expected", ".total: want 5, got 7", ".items[1]: want 3, got 2",
			`.more: got "<b>", which isn't wanted`, ".no: want null, which isn't there", `want JSON {"items":[1,3],"no":null,"total":5}`)
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			hub.Publish(context.Background(), push.Message{Topic: "a", Data: []byte(`{"total":5}`)})
			client.Expect("a", map[string]any{"total": 5})
		}), "the data isn't JSON", "PublishJSON", `text "{\"total\":5}"`)
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			hub.Publish(context.Background(), push.Message{Topic: "a", Event: "created", Data: []byte("one")})
			client.Expect("a", push.Message{Event: "created", Data: []byte("one")}, "two")
		}), "event 2 of 2", "didn't come within 10s", `want text "two"`, "1 published to it so far", `it follows "a"`, `got before   "a": event "created", text "one"`)
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			hub.Publish(context.Background(), push.Message{Topic: "a", Data: []byte("one")})
			client.Nothing()
		}), "got what nobody has expected", `got  "a": text "one"`)
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) { client.Follow("secret") }),
			`the client of ann (WebSocket) can't follow "secret"`, "forbidden")
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			hub.Revoke(context.Background(), push.Revocation{User: "ann"})
			client.Next()
		}), "nothing came", "it has ended", "forbidden")
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			hub.Publish(context.Background(), push.Message{Topic: "a", Data: []byte("one")})
			client.Expect("a", pushtest.Gap(""))
		}), "want a gap", `got  "a": text "one"`)
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) { hub.Lose("b") }), "nobody follows the topic")
		says(t, run(func(t testing.TB, hub *pushtest.Hub, client *pushtest.Client) {
			client.Expect("a", func(m *push.Message) error { return errors.New("no such thing") })
		}), "didn't come", "what the function takes")
	})
}

func TestIdentityThatNobodyAsksFor(t *testing.T) {
	says(t, watched(t, func(t testing.TB) {
		hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
		t.Cleanup(func() { hub.Shutdown(context.Background()) })
		pushtest.Dial(t, transport.Routes(hub), "/", pushtest.As(push.Identity{User: "ann"})).Follow("a")
	}), "As does nothing", "pushtest.NewHub", "pushtest.Identify")
}
