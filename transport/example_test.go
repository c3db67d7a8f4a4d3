//clock:real they are examples, and not run

package transport_test

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// The README shows this program.
func Example() {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	go func() {
		for now := range time.Tick(time.Second) {
			message := push.Message{Topic: "clock", Data: []byte(now.Format(time.TimeOnly))}
			if _, err := hub.Publish(context.Background(), message); err != nil {
				log.Print(err)
			}
		}
	}()
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: r, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	log.Fatal(server.ListenAndServe())
}
