package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

//go:embed page
var page embed.FS

const (
	pricesTopic = "prices" // its keys are the symbols
	marketTopic = "market" // its key openKey says whether prices change
	openKey     = "open"

	// 20 changes each 10 ms are 2,000 a second.
	tick           = 10 * time.Millisecond
	changesPerTick = 20
)

var topics = []push.TopicRule{{Pattern: pricesTopic, State: true}, {Pattern: marketTopic, State: true}}

// exchange is the server: a market whose prices it tells.
type exchange struct {
	// static
	hub  *push.Hub
	stop context.CancelFunc // ends the walk
	done chan struct{}      // closed when that has ended

	mu     sync.Mutex // guards the rest
	market *market
	open   bool
}

// openExchange begins to change prices. close has to be called.
func openExchange(broker push.Broker) (*exchange, error) {
	ctx, stop := context.WithCancel(context.Background())
	x := &exchange{
		hub: push.New(broker, push.Options{Authorize: push.Rules(
			push.Rule{Pattern: pricesTopic, Follow: push.Anyone},
			push.Rule{Pattern: marketTopic, Follow: push.Anyone},
		)}),
		stop: stop, done: make(chan struct{}),
		market: newMarket(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), time.Now()),
	}
	err := x.setOpen(ctx, true)
	for symbol, q := range x.market.quotes {
		err = errors.Join(err, x.set(ctx, pricesTopic, symbol, q))
	}
	go x.walk(ctx)
	if err != nil {
		return nil, errors.Join(err, x.close(ctx))
	}
	return x, nil
}

func (x *exchange) close(ctx context.Context) error {
	x.stop()
	<-x.done
	return x.hub.Shutdown(ctx)
}

// walk changes prices while the exchange is open.
func (x *exchange) walk(ctx context.Context) {
	defer close(x.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := x.change(ctx, now); err != nil && ctx.Err() == nil {
				slog.Warn("a price wasn't set", "error", err)
			}
		}
	}
}

func (x *exchange) change(ctx context.Context, now time.Time) (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for range changesPerTick {
		if x.open {
			symbol, q := x.market.step(now)
			err = errors.Join(err, x.set(ctx, pricesTopic, symbol, q))
		}
	}
	return err
}

// setOpen begins or ends the changing of prices, and tells all pages. When it has returned
// they change, or change no more.
func (x *exchange) setOpen(ctx context.Context, open bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open = open
	return x.set(ctx, marketTopic, openKey, open)
}

func (x *exchange) set(ctx context.Context, topic, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = x.hub.Set(ctx, push.Message{Topic: topic, Key: key, Data: data, Encoding: push.EncodingJSON})
	return err
}

func (x *exchange) routes() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	r := chi.NewRouter()
	routes := transport.Routes(x.hub)
	r.Mount("/push", routes)
	r.With(slowly).Mount("/slow/push", routes)
	r.Get("/prices.json", x.getPrices)
	r.With(http.NewCrossOriginProtection().Handler).Post("/open", x.postOpen)
	r.Get("/clock", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, strconv.FormatInt(time.Now().UnixMilli(), 10)) // a client that has gone needs no answer
	})
	r.Handle("/*", serve.Page(files))
	return r
}

// getPrices answers with all prices of this moment, for programs that need them once.
func (x *exchange) getPrices(w http.ResponseWriter, r *http.Request) {
	entries, _, err := x.hub.State(r.Context(), pricesTopic)
	if err != nil {
		protocol.WriteError(w, r, push.AsError(err))
		return
	}
	prices := map[string]json.RawMessage{}
	for _, e := range entries {
		prices[e.Key] = e.Data
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(prices) // a client that has gone needs no answer
}

// postOpen opens the exchange, or closes it, as the body says: true or false.
func (x *exchange) postOpen(w http.ResponseWriter, r *http.Request) {
	var open bool
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16)).Decode(&open); err != nil {
		http.Error(w, "the body is true or false", http.StatusBadRequest)
		return
	}
	if err := x.setOpen(r.Context(), open); err != nil {
		protocol.WriteError(w, r, push.AsError(err))
	}
}
