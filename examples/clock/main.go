// Command clock pushes the time to every page that is open.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
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

const page = `<!doctype html>
<h1 id="clock">no message yet</h1>
<script type="module">
  import { connect } from "/push/client.mjs";
  const clock = document.querySelector("#clock");
  connect("/push").subscribe("clock", { message: (m) => (clock.textContent = m.data) });
</script>`

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	go tick(ctx, hub)

	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })
	r.Mount("/push", transport.Routes(hub))
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("clock listens on http://%s\n", listener.Addr())
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
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

// tick publishes the time once a second. A test gives it a pushtest.Recorder.
func tick(ctx context.Context, p push.Publisher) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			message := push.Message{Topic: "clock", Data: []byte(now.Format(time.TimeOnly))}
			if _, err := p.Publish(ctx, message); err != nil {
				log.Print(err)
			}
		case <-ctx.Done():
			return
		}
	}
}
