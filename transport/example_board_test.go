//clock:real it is an example, and not run

package transport_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

const board = `<!doctype html>
<ul></ul>
<script type="module">
  import { connect } from "/push/client.mjs";
  import { state } from "/push/state.mjs";

  const prices = state(connect("/push"), "prices", (error) => console.error(error));
  prices.onChange(() => {
    const rows = [...prices].map(([symbol, { px }]) => {
      const row = document.createElement("li");
      row.textContent = symbol + " " + px;
      return row;
    });
    document.querySelector("ul").replaceChildren(...rows);
  });
</script>`

// docs/live-state.md shows this file as a program.
func Example_board() {
	store := membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
	hub := push.New(store, push.Options{Authorize: push.Rules(push.Rule{Pattern: "prices", Follow: push.Anyone})})

	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub))
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, board)
	})
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Fatal(server.ListenAndServe()) }()

	for range time.Tick(100 * time.Millisecond) {
		price := fmt.Appendf(nil, `{"px":%.2f}`, 100+rand.Float64())
		message := push.Message{Topic: "prices", Key: "ACME", Data: price, Encoding: push.EncodingJSON}
		if _, err := hub.Set(context.Background(), message); err != nil {
			log.Print(err)
		}
	}
}
