//clock:real they are examples, and not run

package transport_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// A whole program; examples/clock is one with a page. SIGTERM ends it: clients get what is queued for them, and
// are asked to come back.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	go func() {
		for now := range time.Tick(time.Second) {
			message := push.Message{Topic: "clock", Data: []byte(now.Format(time.TimeOnly))}
			if _, err := hub.Publish(ctx, message); err != nil {
				log.Print(err)
			}
		}
	}()
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: r, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()

	<-ctx.Done()
	limit, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	// The server's Shutdown begins the hub's; the hub's waits for the clients that the server doesn't know.
	if err := errors.Join(server.Shutdown(limit), hub.Shutdown(limit)); err != nil {
		log.Print(err)
	}
}
