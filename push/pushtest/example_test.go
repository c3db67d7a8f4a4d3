package pushtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
	"github.com/tidewire/tidewire/transport"
)

// The tests here are those that README.md and docs/testing.md show. First, the application.

// jsonPublisher is what Ship needs of a hub.
type jsonPublisher interface {
	PublishJSON(ctx context.Context, topic string, v any) (push.Receipt, error)
}

// Ship ships an order.
func Ship(ctx context.Context, hub jsonPublisher, order int) error {
	_, err := hub.PublishJSON(ctx, fmt.Sprintf("orders/%d", order), map[string]string{"status": "shipped"})
	return err
}

// Remind publishes a reminder in an hour.
func Remind(ctx context.Context, p push.Publisher, user string) {
	select {
	case <-time.After(time.Hour): //clock:virtual its test runs in it
		_, _ = p.Publish(ctx, push.Message{Topic: "users/" + user, Event: "reminder", Data: []byte("an hour is over")})
	case <-ctx.Done():
	}
}

// options are those of the application's hub.
func options() push.Options {
	own := func(_ context.Context, a push.Access) error {
		if a.PathValue("user") != a.Identity.User {
			return push.CodeForbidden
		}
		return nil
	}
	return push.Options{
		Authorize: push.Rules(push.Rule{Pattern: "users/{user}", Follow: own, Send: own}, push.Rule{Pattern: "orders/{order}", Follow: push.Anyone}),
		Identify: func(r *http.Request) (push.Identity, error) {
			var id push.Identity
			if cookie, err := r.Cookie("session"); err == nil {
				id.User = cookie.Value // your sessions
			}
			return id, nil
		},
		Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) { return push.JSON(len(in.Data)) },
	}
}

// routes is the application's router.
func routes(hub *push.Hub) http.Handler {
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	return r
}

func TestShippedOrderIsPushed(t *testing.T) {
	hub := pushtest.NewHub(t, push.Options{})
	client := hub.Client(t)
	client.Follow("orders/42")
	if err := Ship(t.Context(), hub.Hub, 42); err != nil {
		t.Fatal(err)
	}
	client.Expect("orders/42", map[string]any{"status": "shipped"})
	client.Nothing()
}

func TestOrderIsPublished(t *testing.T) {
	rec := pushtest.NewRecorder(t)
	if err := Ship(t.Context(), rec, 42); err != nil {
		t.Fatal(err)
	}
	rec.Expect("orders/42", map[string]string{"status": "shipped"})
	rec.None()
}

func TestReminderComesInAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := pushtest.NewRecorder(t)
		go Remind(t.Context(), rec, "ann")
		time.Sleep(time.Hour - time.Nanosecond)
		rec.None()
		time.Sleep(time.Nanosecond)
		rec.Expect("users/ann", push.Message{Event: "reminder", Data: []byte("an hour is over")})
	})
}

func TestUserFollowsOnlyItsOwn(t *testing.T) {
	hub := pushtest.NewHub(t, options())
	ann := hub.Client(t, pushtest.As(push.Identity{User: "ann"}))
	ann.Follow("users/ann")
	if err := ann.TryFollow("users/bob"); !errors.Is(err, push.CodeForbidden) {
		t.Errorf("ann may follow what is bob's: %v", err)
	}
}

func TestSessionCookieIsKnown(t *testing.T) {
	hub := pushtest.NewHub(t, options())
	for _, over := range pushtest.Transports {
		client := hub.Client(t, over, pushtest.Through(routes(hub.Hub), "/push"), pushtest.Cookie("session", "ann"))
		client.Follow("users/ann")
		if reply := client.Send("users/ann", "hello"); string(reply.Data) != "5" {
			t.Errorf("%v: the reply is %s", over, reply.Data)
		}
	}
}

func TestOrderPageSurvivesTheNetwork(t *testing.T) {
	hub := pushtest.NewHub(t, options())
	client := hub.Client(t)
	client.Follow("orders/42")
	ship := func() { Ship(t.Context(), hub.Hub, 42) }
	client.Cut(ship) // while it is away
	client.Expect("orders/42", map[string]string{"status": "shipped"})

	client.Cut(ship, func() { hub.Expire("orders/42") }) // and history is gone
	client.Expect("orders/42", pushtest.Gap(broker.GapTrimmed))
}

func TestBrokerIsAway(t *testing.T) {
	hub := pushtest.NewHub(t, options())
	hub.FailBroker(nil)
	if err := Ship(t.Context(), hub.Hub, 42); !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("got %v", err)
	}
	hub.Heal()
	if err := Ship(t.Context(), hub.Hub, 42); err != nil {
		t.Error(err)
	}
}

// app is an application that makes its hub itself.
type app struct{ hub *push.Hub }

func newApp(store push.Broker) *app {
	return &app{push.New(store, options())}
}

func (a *app) routes() http.Handler { return routes(a.hub) }

func (a *app) close(t *testing.T) {
	if err := a.hub.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestWholeApplication(t *testing.T) {
	store := pushtest.NewBroker(t)
	app := newApp(store)
	t.Cleanup(func() { app.close(t) })
	client := pushtest.Dial(t, app.routes(), "/push", pushtest.Cookie("session", "ann"))
	client.Follow("orders/42")
	client.Cut(func() {
		Ship(t.Context(), app.hub, 42)
		store.Expire("orders/42")
	})
	client.Expect("orders/42", pushtest.Gap(broker.GapTrimmed))
	store.Published.Expect("orders/42", map[string]string{"status": "shipped"})
}

func TestPricesAreLive(t *testing.T) {
	hub := pushtest.NewHub(t, push.Options{}, membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
	prices := hub.Client(t).State("prices")
	hub.Set(t.Context(), push.Message{Topic: "prices", Key: "ACME", Data: []byte("1.50")})
	prices.Expect(map[string]string{"ACME": "1.50"})
}

func TestRoutesAreMountedWell(t *testing.T) {
	hub := pushtest.NewHub(t, options())
	pushtest.CheckMount(t, routes(hub.Hub), "/push", pushtest.Cookie("session", "ann"), pushtest.Topic("users/ann"))
}

func ExampleNewHub() {
	var t *testing.T // that of the test

	hub := pushtest.NewHub(t, push.Options{})
	client := hub.Client(t, pushtest.EventStream)
	client.Follow("orders/42")
	if err := Ship(t.Context(), hub.Hub, 42); err != nil {
		t.Fatal(err)
	}
	client.Expect("orders/42", map[string]any{"status": "shipped"})
}

func ExampleNewRecorder() {
	var t *testing.T // that of the test

	rec := pushtest.NewRecorder(t)
	if err := Ship(t.Context(), rec, 42); err != nil {
		t.Fatal(err)
	}
	rec.Expect("orders/42", map[string]any{"status": "shipped"})
	rec.None()
}

func ExampleDial() {
	var t *testing.T // that of the test
	var app http.Handler

	client := pushtest.Dial(t, app, "/push", pushtest.Cookie("session", "ann"))
	client.Follow("users/ann")
}

func ExampleCheckMount() {
	var t *testing.T // that of the test
	var app http.Handler

	pushtest.CheckMount(t, app, "/push", pushtest.Cookie("session", "ann"), pushtest.Topic("users/ann"))
}
