package push_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/client"
)

// topics are in a package that every service of an application imports.
var topics = []push.TopicRule{
	{Pattern: "prices", State: true},
	{Pattern: "jobs", State: true},
	{Pattern: "workers", State: true, TTL: 15 * time.Second},
	{Pattern: "typing/{room}", State: true, TTL: 3 * time.Second},
	{Pattern: "answers/{id}", State: true, TTL: time.Hour},
}

// A state topic is declared by a rule, and changed key by key.
func ExampleHub_Set() {
	ctx := context.Background()
	hub := push.New(membroker.New(membroker.Options{Topics: topics}), push.Options{Authorize: push.Anyone})

	price := push.Message{Topic: "prices", Key: "ACME", Data: []byte(`{"px":1.5}`), Encoding: push.EncodingJSON}
	receipt, err := hub.Set(ctx, price) // Encoding is text unless it is set
	fmt.Println(receipt.Position.Offset, err)

	_, err = hub.Set(ctx, push.Message{Topic: "halted", Key: "ACME"})
	fmt.Println(err)

	_, err = hub.Delete(ctx, push.Message{Topic: "prices", Key: "ACME"})
	entries, _, _ := hub.State(ctx, "prices")
	fmt.Println(len(entries), err)
	_ = hub.Shutdown(ctx)
	// Output:
	// 1 <nil>
	// wrong_kind: the topic is a log: no rule of the broker makes it a state, with keys to be changed
	// 0 <nil>
}

// Of two workers that claim a job one wins, and only the winner can finish it.
func ExampleMessage_conditions() {
	ctx := context.Background()
	hub := push.New(membroker.New(membroker.Options{Topics: topics}), push.Options{Authorize: push.Anyone})

	claimed, err := hub.Set(ctx, push.Message{Topic: "jobs", Key: "42", Data: []byte("worker 1"), IfAbsent: true})
	var now *broker.VersionError
	switch {
	case errors.As(err, &now): // errors.Is(err, push.CodeConflict) says so as well
		fmt.Println("somebody else has it, at version", now.Current) // zero if there is no such key
	case err != nil:
		fmt.Println(err)
	}

	// A version is the epoch and the offset of a change: of a receipt, or of a message of State.
	version := claimed.Version()
	_, err = hub.Set(ctx, push.Message{Topic: "jobs", Key: "42", Data: []byte("done"), IfVersion: version})
	fmt.Println(err)

	_, err = hub.Set(ctx, push.Message{Topic: "jobs", Key: "42", Data: []byte("worker 2"), IfVersion: version})
	fmt.Println(errors.As(err, &now), now.Current.Offset, errors.Is(err, push.CodeConflict))
	_ = hub.Shutdown(ctx)
	// Output:
	// <nil>
	// true 2 true
}

// A key is changed by what it is, whoever else changes it.
func ExampleHub_Update() {
	ctx := context.Background()
	hub := push.New(membroker.New(membroker.Options{Topics: topics}), push.Options{Authorize: push.Anyone})

	count := func(old *push.Message) (push.Message, error) {
		var n int
		if old != nil { // nil: there is no such key
			if err := json.Unmarshal(old.Data, &n); err != nil {
				return push.Message{}, err
			}
		}
		return push.Message{Data: fmt.Append(nil, n+1), Encoding: push.EncodingJSON}, nil
	}
	_, err := hub.Update(ctx, "jobs", "waiting", count)
	fmt.Println(err)

	_, err = hub.Update(ctx, "jobs", "waiting", count)
	entries, _, _ := hub.State(ctx, "jobs")
	fmt.Printf("%s %v\n", entries[0].Data, err)
	_ = hub.Shutdown(ctx)
	// Output:
	// <nil>
	// 2 <nil>
}

// A worker is there as long as it says so.
func ExampleHub_Touch() {
	ctx := context.Background()
	hub := push.New(membroker.New(membroker.Options{Topics: topics}), push.Options{Authorize: push.Anyone})

	beat := func() error { // every five seconds
		_, err := hub.Touch(ctx, push.Message{Topic: "workers", Key: "worker 1"})
		if errors.Is(err, push.CodeConflict) { // it wasn't there, or not any more
			_, err = hub.Set(ctx, push.Message{Topic: "workers", Key: "worker 1", Data: []byte("idle")})
		}
		return err
	}

	fmt.Println(beat(), beat())
	_ = hub.Shutdown(ctx)
	// Output: <nil> <nil>
}

// A page changes nothing by itself: the application does, when a page asks for it.
func ExampleInbound_state() {
	var hub *push.Hub
	receive := func(ctx context.Context, in push.Inbound) (push.Reply, error) {
		room := strings.TrimPrefix(in.Topic, "room/")
		_, err := hub.Set(ctx, push.Message{Topic: "typing/" + room, Key: in.Identity.User, Data: []byte("typing")})
		return push.Reply{}, err
	}
	hub = push.New(membroker.New(membroker.Options{Topics: topics}), push.Options{Receive: receive})

	_, err := receive(context.Background(), push.Inbound{Topic: "room/blue", Identity: push.Identity{User: "ann"}})
	entries, _, _ := hub.State(context.Background(), "typing/blue")
	fmt.Println(entries[0].Key, err)
	_ = hub.Shutdown(context.Background())
	// Output: ann <nil>
}

// The members of a topic, on the server.
func ExampleHub_Members() {
	ctx := context.Background()
	signedIn := func(_ context.Context, a push.Access) error {
		if a.Identity.User == "" {
			return push.CodeForbidden
		}
		return nil
	}
	displayName := func(id push.Identity) string { return strings.ToUpper(id.User) }

	hub := push.New(membroker.New(), push.Options{
		Authorize: push.Rules(push.Rule{Pattern: "room/{name}", Follow: push.Anyone, Members: signedIn}),
		Presence:  []string{"room/{name}"},
		Member:    func(id push.Identity) any { return map[string]string{"name": displayName(id)} },
	})
	members, err := hub.Members(ctx, "room/blue")
	for _, m := range members {
		fmt.Println(m.Key, string(m.Data)) // ann {"since":1763715120123,"user":"ann","info":{"name":"Ann"}}
	}

	fmt.Println(len(members), err)
	_ = hub.Shutdown(ctx)
	// Output: 0 <nil>
}

// model stands for a language model.
type model struct{ words string }

func (m model) tokens(context.Context) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for word := range strings.SplitAfterSeq(m.words, " ") {
			if !yield(word, nil) {
				return
			}
		}
	}
}

// An answer of a language model, which outlives the request in which it was asked for.
func ExampleHub_Stream() {
	hub := push.New(membroker.New(membroker.Options{Topics: topics}), push.Options{Authorize: push.Anyone})
	model := model{"Twice a day."}

	write := func(stream *push.Stream) error {
		defer stream.Close() // after a Fail it does nothing

		ctx, cancel := context.WithCancel(context.Background()) // not the request's
		defer cancel()
		for token, err := range model.tokens(ctx) {
			if err != nil {
				return stream.Fail(push.NewError(push.CodeUnavailable, "the model doesn't answer", err))
			}
			if _, err := io.WriteString(stream, token); err != nil {
				return err
			}
			select {
			case <-stream.Stopped():
				return nil // the text ends here, and its status is "done"
			default:
			}
		}
		return stream.Close()
	}
	r := chi.NewRouter()
	r.Post("/answers/{id}", func(w http.ResponseWriter, r *http.Request) {
		stream, err := hub.Stream(r.Context(), "answers/"+chi.URLParam(r, "id"), "text")
		if err != nil {
			http.Error(w, "it can't be answered now", http.StatusServiceUnavailable)
			return
		}
		go func() {
			if err := write(stream); err != nil {
				slog.Warn("an answer has failed", "error", err)
			}
		}()
	})
	r.Post("/answers/{id}/stop", func(w http.ResponseWriter, r *http.Request) { // who may is yours to check
		if err := hub.StopStream(r.Context(), "answers/"+chi.URLParam(r, "id"), "text"); err != nil {
			http.Error(w, "it can't be stopped now", http.StatusServiceUnavailable)
		}
	})

	stream, err := hub.Stream(context.Background(), "answers/1", "text")
	fmt.Println(err, write(stream))
	entries, _, _ := hub.State(context.Background(), "answers/1")
	for _, e := range entries {
		fmt.Println(e.Key, string(e.Data))
	}
	_ = hub.Shutdown(context.Background())
	// Unordered output:
	// <nil> <nil>
	// text Twice a day.
	// text.status {"state":"done"}
}

// A backend that serves no browsers changes states by Redis.
func ExampleStatePublisher() {
	ctx := context.Background()
	price := push.Message{Topic: "prices", Key: "ACME", Data: []byte(`{"px":1.5}`), Encoding: push.EncodingJSON}

	store := redisbroker.New(redis.NewClient(&redis.Options{Addr: "localhost:6379"}), redisbroker.Options{Topics: topics})
	_, err := store.Set(ctx, price) // to all web processes on that Redis

	fmt.Println(err)
}

// A backend that reaches no Redis changes states by HTTP.
func ExampleStatePublisher_http() {
	ctx := context.Background()
	price := push.Message{Topic: "prices", Key: "ACME", Data: []byte(`{"px":1.5}`), Encoding: push.EncodingJSON}
	set := func() error {
		publisher, err := client.NewPublisher("https://example.com/push", "secret")
		if err != nil {
			return err
		}
		_, err = publisher.Set(ctx, price) // to a server with transport.Options.PublishKey, which has the rules
		return err
	}
	fmt.Println(set())
}
