package pushtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
	"github.com/tidewire/tidewire/transport"
)

// everywhere runs a test over each transport, as it is and in a bubble.
func everywhere(t *testing.T, test func(t *testing.T, over pushtest.Transport)) {
	for _, over := range pushtest.Transports {
		t.Run(over.String(), func(t *testing.T) { test(t, over) })
		t.Run(over.String()+" in a bubble", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, over) })
		})
	}
}

func publish(t *testing.T, hub *pushtest.Hub, topic, text string) {
	t.Helper()
	if _, err := hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(text)}); err != nil {
		t.Fatal(err)
	}
}

func TestClientGetsWhatIsPublished(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		client := hub.Client(t, over)
		client.Follow("a")
		client.Nothing()
		publish(t, hub, "a", "one")
		publish(t, hub, "b", "not followed")
		if _, err := hub.PublishJSON(t.Context(), "a", map[string]any{"n": 1.5, "s": "<x>"}); err != nil {
			t.Fatal(err)
		}
		client.Expect("a", "one", map[string]any{"s": "<x>", "n": 1.5})
		client.Nothing()
		client.Follow("b")
		publish(t, hub, "b", "two")
		publish(t, hub, "a", "three")
		client.Expect("b", "two")
		if e := client.Next(); e.Topic != "a" || string(e.Message.Data) != "three" || e.Message.Offset != 3 {
			t.Errorf("got %v", e)
		}
		client.Nothing()
		hub.Published.Expect("a", "one", push.Message{Encoding: push.EncodingJSON, Data: []byte(`{"s":"<x>", "n":1.50}`)}, "three")
		hub.Published.None("a")
	})
}

func TestClientThatWasCutResumes(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		client := hub.Client(t, over)
		client.Follow("a")
		client.Follow("b")
		for i := range 3 {
			publish(t, hub, "a", fmt.Sprint("before ", i))
			client.Cut(func() { publish(t, hub, "a", fmt.Sprint("away ", i)) })
			publish(t, hub, "a", fmt.Sprint("after ", i))
			client.Expect("a", fmt.Sprint("before ", i), fmt.Sprint("away ", i), fmt.Sprint("after ", i))
		}
		client.Nothing()
	})
}

func TestClientIsToldOfExpiredHistory(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{}, membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
		client := hub.Client(t, over)
		client.Follow("a")
		prices := client.State("prices")
		client.Cut(func() { publish(t, hub, "a", "in the window") })
		client.Expect("a", "in the window")
		client.Cut(func() {
			publish(t, hub, "a", "missed")
			set(t, hub, "ACME", "1.50")
			hub.Expire("a")
			hub.Expire("prices")
		})
		client.Expect("a", pushtest.Gap(broker.GapTrimmed))
		client.Expect("prices", pushtest.Reset(broker.GapTrimmed))
		prices.Expect(map[string]any{"ACME": "1.50"})
		publish(t, hub, "a", "after")
		client.Expect("a", "after")
		client.Nothing()
	})
}

func set(t *testing.T, hub *pushtest.Hub, key, text string) {
	t.Helper()
	if _, err := hub.Set(t.Context(), push.Message{Topic: "prices", Key: key, Data: []byte(text)}); err != nil {
		t.Fatal(err)
	}
}

func TestStateIsACopy(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{}, membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
		set(t, hub, "ACME", "1.50")
		client := hub.Client(t, over)
		prices := client.State("prices")
		if got := prices.Map(); len(got) != 1 || got["ACME"] != "1.50" {
			t.Errorf("got %v", got)
		}
		for _, m := range []push.Message{{Data: []byte("é𝄞")}, {Data: []byte("+")}} {
			m.Topic, m.Key = "prices", "log"
			if _, err := hub.Append(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := hub.Set(t.Context(), push.Message{Topic: "prices", Key: "json", Data: []byte(`{"px": 2}`), Encoding: push.EncodingJSON}); err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Delete(t.Context(), push.Message{Topic: "prices", Key: "ACME"}); err != nil {
			t.Fatal(err)
		}
		prices.Expect(map[string]any{"log": "é𝄞+", "json": map[string]any{"px": 2}})
		client.Nothing()
		if client.State("prices") != prices {
			t.Error("there are two copies")
		}
		hub.Published.Expect("prices", push.Message{Op: broker.OpSet, Key: "ACME", Data: []byte("1.50")}, push.Message{Op: broker.OpAppend},
			"+", map[string]any{"px": 2}, push.Message{Op: broker.OpDelete, Key: "ACME"})
		hub.Published.None()
	})
}

func TestClientIsWhomItSays(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{
			Authorize: func(_ context.Context, a push.Access) error {
				if a.Topic != "users/"+a.Identity.User {
					return push.CodeForbidden
				}
				return nil
			},
			Identify: func(r *http.Request) (push.Identity, error) {
				user := r.Header.Get("X-User")
				if cookie, err := r.Cookie("user"); err == nil {
					user = cookie.Value
				}
				return push.Identity{User: user}, nil
			},
			Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
				if in.Event == "bad" {
					return push.Reply{}, push.NewError(push.CodeConflict, "not twice", nil)
				}
				return push.JSON(map[string]string{in.Identity.User: string(in.Data)})
			},
		})
		for name, who := range map[string]pushtest.Option{
			"ann": pushtest.As(push.Identity{User: "ann"}), "bob": pushtest.Header("x-user", "bob"), "cleo": pushtest.Cookie("user", "cleo"),
		} {
			client := hub.Client(t, over, who)
			if reply := client.Send("users/"+name, "hello"); string(reply.Data) != `{"`+name+`":"hello"}` {
				t.Errorf("%s: got %s", name, reply.Data)
			}
			client.Follow("users/" + name)
			if err := client.TryFollow("users/dan"); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("%s may follow users/dan: %v", name, err)
			}
			if _, err := client.TrySend(push.Message{Topic: "users/" + name, Event: "bad"}); !errors.Is(err, push.CodeConflict) {
				t.Errorf("%s: %v", name, err)
			}
			publish(t, hub, "users/"+name, "to "+name)
			client.Expect("users/"+name, "to "+name)
			client.Nothing()
		}
		if err := hub.Client(t, over, pushtest.Header("Origin", "https://evil.example")).TryFollow("users/"); !errors.Is(err, push.CodeForbidden) {
			t.Errorf("a page of another site: %v", err)
		}
	})
}

func TestRevokedClientIsRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := pushtest.NewHub(t, push.Options{})
		client := hub.Client(t, over, pushtest.As(push.Identity{User: "ann"}))
		client.Follow("a")
		client.Follow("b")
		if err := hub.Revoke(t.Context(), push.Revocation{User: "ann", Topic: "a"}); err != nil {
			t.Fatal(err)
		}
		client.Expect("a", pushtest.Refused(push.CodeForbidden))
		publish(t, hub, "b", "still")
		client.Expect("b", "still")
	})
}

// TestDialGoesThroughTheApplication: its router, its middleware, and a hub that it has made.
func TestDialGoesThroughTheApplication(t *testing.T) {
	everywhere(t, func(t *testing.T, over pushtest.Transport) {
		hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone, Identify: pushtest.Identify(nil)})
		t.Cleanup(func() {
			if err := hub.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
		r := chi.NewRouter()
		r.Route("/api/live", func(r chi.Router) {
			r.Use(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer good" {
						http.Error(w, "who are you?", http.StatusUnauthorized)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			r.Mount("/", transport.Routes(hub))
		})
		client := pushtest.Dial(t, r, "/api/live", over, pushtest.Header("Authorization", "Bearer good"), pushtest.As(push.Identity{User: "ann"}))
		client.Follow("a")
		client.Nothing()
		if _, err := hub.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("one")}); err != nil {
			t.Fatal(err)
		}
		client.Expect("a", "one")
		client.Nothing()
		err := pushtest.Dial(t, r, "/api/live", over).TryFollow("a")
		if err == nil {
			t.Fatal("a client without a token may follow")
		}
		says(t, err.Error(), "401 Unauthorized, which isn't Tidewire's answer: who are you?")
		err = pushtest.Dial(t, r, "/", over, pushtest.Header("Authorization", "Bearer good")).TryFollow("a")
		if err == nil {
			t.Fatal("there are routes elsewhere")
		}
		says(t, err.Error(), "404 Not Found")
	})
}
