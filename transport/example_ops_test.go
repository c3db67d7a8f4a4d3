package transport_test

import (
	"log"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/metrics"
	"github.com/tidewire/tidewire/transport"
)

// What operators watch is served on another address than the clients', which only they reach.
func Example_ops() {
	hub := push.New(membroker.New(), push.Options{})

	ops := http.NewServeMux()
	ops.Handle("/healthz", transport.Healthz(hub))
	ops.Handle("/readyz", transport.Readyz(hub))
	ops.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		_ = metrics.Write(w, hub.Stats()) // a scraper that has gone needs no answer
	})
	ops.Handle("/dashboard/", transport.Dashboard(hub))
	server := &http.Server{Addr: "127.0.0.1:9090", Handler: ops, ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Print(server.ListenAndServe()) }()
}
