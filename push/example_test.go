package push_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport"
)

// sessions stands for what an application has for its sessions, such as
// alexedwards/scs: a middleware that puts them into the request's context.
type sessions struct{ of map[string]map[string]string }

type sessionKey struct{}

func (s *sessions) LoadAndSave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := ""
		if cookie, err := r.Cookie("session"); err == nil {
			name = cookie.Value
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s.of[name])))
	})
}

func (s *sessions) GetString(ctx context.Context, key string) string {
	session, _ := ctx.Value(sessionKey{}).(map[string]string)
	return session[key]
}

func (s *sessions) Deadline(context.Context) time.Time { return time.Now().Add(time.Hour) }

// A user loses access at once, on every instance.
func ExampleHub_Revoke() {
	hub := push.New(membroker.New(), push.Options{Identify: func(*http.Request) (push.Identity, error) {
		return push.Identity{User: "eve"}, nil
	}})
	dismiss := func(ctx context.Context) error {
		if err := hub.Revoke(ctx, push.Revocation{User: "eve"}); err != nil {
			return err // it may hold or not; revoke again
		}
		return nil
	}
	fmt.Println(dismiss(context.Background()))
	_, err := session.Of(hub).Identify(httptest.NewRequest(http.MethodPost, "/push/send", nil))
	fmt.Println(err)
	// Output:
	// <nil>
	// forbidden: access was revoked
}

// An application that has sessions of its own tells who a client is by them.
func ExampleOptions_identify() {
	sessions := &sessions{of: map[string]map[string]string{"f3a1": {"user": "ann"}}}

	hub := push.New(membroker.New(), push.Options{
		Identify: func(r *http.Request) (push.Identity, error) {
			user := sessions.GetString(r.Context(), "user")
			if user == "" {
				return push.Identity{}, push.CodeUnauthenticated
			}
			return push.Identity{User: user, Expires: sessions.Deadline(r.Context())}, nil
		},
		Authorize: push.Rules(push.Rule{Pattern: "users/{user}", Follow: func(_ context.Context, a push.Access) error {
			if a.PathValue("user") != a.Identity.User {
				return push.CodeForbidden
			}
			return nil
		}}),
	})
	r := chi.NewRouter()
	r.Use(sessions.LoadAndSave) // before the routes, so that Identify finds the session
	r.Mount("/push", transport.Routes(hub))

	for _, session := range []string{"f3a1", "another"} {
		request := httptest.NewRequest(http.MethodHead, "/push/sse?topic=users/ann", nil)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
		request.AddCookie(&http.Cookie{Name: "session", Value: session})
		response := httptest.NewRecorder()
		r.ServeHTTP(response, request)
		fmt.Println(response.Code)
	}
	// Output:
	// 200
	// 401
}

// A message from a client is published, and its sender gets a JSON value as the reply.
func ExampleOptions_receive() {
	store := membroker.New()
	rules := push.Rules(push.Rule{Pattern: "rooms/{room}", Follow: push.Anyone, Send: push.Anyone})

	var hub *push.Hub
	receive := func(ctx context.Context, in push.Inbound) (push.Reply, error) {
		receipt, err := hub.Publish(ctx, in.Message())
		if err != nil {
			return push.Reply{}, err
		}
		return push.JSON(map[string]uint64{"offset": receipt.Position.Offset})
	}
	hub = push.New(store, push.Options{Authorize: rules, Receive: receive})

	request := httptest.NewRequest(http.MethodPost, "/push/send?topic=rooms/kitchen", strings.NewReader("hello"))
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	response := httptest.NewRecorder()
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	r.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)
	_ = hub.Shutdown(context.Background())
	// Output:
	// 200 {"data":{"offset":1}}
}

// A topic keeps fewer messages than the broker's others.
func ExampleTopicRule() {
	prices := push.TopicRule{Pattern: "prices/{symbol}", History: broker.History{Messages: 50}, Time: true}
	store := membroker.New(membroker.Options{Topics: []push.TopicRule{prices}})
	hub := push.New(store, push.Options{})
	for i := range 60 {
		for _, topic := range []string{"prices/ACME", "orders"} {
			if _, err := hub.PublishJSON(context.Background(), topic, i); err != nil {
				fmt.Println(err)
			}
		}
	}
	for _, topic := range []string{"prices/ACME", "orders"} {
		messages, _, _ := hub.Recent(context.Background(), topic, 100)
		fmt.Println(topic, len(messages))
	}
	_ = hub.Shutdown(context.Background())
	// Output:
	// prices/ACME 50
	// orders 60
}

// Clients get a JSON value as that value.
func ExampleHub_PublishJSON() {
	hub := push.New(membroker.New(), push.Options{})
	type price struct {
		Symbol string  `json:"symbol"`
		Last   float64 `json:"last"`
	}
	receipt, err := hub.PublishJSON(context.Background(), "prices", price{"ACME", 12.5})
	fmt.Println(receipt.Position.Offset, err)

	messages, _, _ := hub.Recent(context.Background(), "prices", 1)
	fmt.Printf("%s\n", messages[0].Data)
	_ = hub.Shutdown(context.Background())
	// Output:
	// 1 <nil>
	// {"symbol":"ACME","last":12.5}
}

// A message to several users. Publishing again with the same ID is safe.
func ExampleHub_PublishAll() {
	hub := push.New(membroker.New(), push.Options{})
	m := push.Message{ID: "order-42-shipped", Event: "shipped", Data: []byte("order 42")}
	for range 2 {
		for _, p := range hub.PublishAll(context.Background(), m, "users/ann", "users/bob", "users/*") {
			fmt.Println(p.Topic, p.Receipt.Position.Offset, p.Receipt.Duplicate, p.Err)
		}
	}
	_ = hub.Shutdown(context.Background())
	// Output:
	// users/ann 1 false <nil>
	// users/bob 1 false <nil>
	// users/* 0 false bad_request: a topic has none of * ? [ ] \
	// users/ann 1 true <nil>
	// users/bob 1 true <nil>
	// users/* 0 false bad_request: a topic has none of * ? [ ] \
}

// Who may do what, by topic.
func ExampleRules() {
	members := map[string]bool{"ann": true}
	own := func(_ context.Context, a push.Access) error {
		if a.PathValue("user") != a.Identity.User {
			return push.CodeForbidden
		}
		return nil
	}
	member := func(_ context.Context, a push.Access) error {
		if !members[a.Identity.User] {
			return push.CodeForbidden
		}
		return nil
	}

	rules := push.Rules(
		push.Rule{Pattern: "news/{about...}", Follow: push.Anyone},
		push.Rule{Pattern: "users/{user}/{what}", Follow: own},
		push.Rule{Pattern: "rooms/{room}", Follow: push.Anyone, Send: member},
	)
	hub := push.New(membroker.New(), push.Options{Authorize: rules})

	for _, a := range []push.Access{
		{Action: push.ActionFollow, Topic: "news/world/today"},
		{Action: push.ActionSend, Topic: "news/world/today"},
		{Action: push.ActionResume, Topic: "users/ann/inbox", Identity: push.Identity{User: "ann"}},
		{Action: push.ActionResume, Topic: "users/ann/inbox", Identity: push.Identity{User: "bob"}},
		{Action: push.ActionSend, Topic: "rooms/kitchen", Identity: push.Identity{User: "ann"}},
	} {
		fmt.Println(a.Action, a.Topic, rules(context.Background(), a))
	}
	_ = hub.Shutdown(context.Background())
	// Output:
	// follow news/world/today <nil>
	// send news/world/today forbidden
	// resume users/ann/inbox <nil>
	// resume users/ann/inbox forbidden
	// send rooms/kitchen <nil>
}

// Who loses the right to follow a topic loses the topic within about a minute.
func ExampleOptions_recheck() {
	members := map[string]bool{"ann": true} // or a question to a database
	rules := push.Rules(push.Rule{Pattern: "rooms/{room}", Follow: func(_ context.Context, a push.Access) error {
		if !members[a.Identity.User] {
			return push.CodeForbidden
		}
		return nil
	}})

	hub := push.New(membroker.New(), push.Options{Authorize: rules, Recheck: time.Minute})

	_ = hub.Shutdown(context.Background())
	// Output:
}
