package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redistest"
)

// sharing measures deliveries by processes of a server that share a new Redis.
func (w *workshop) sharing(s *server, c setup, measure func(*server, setup) (figures, error)) (figures, error) {
	r, err := redistest.Start(w.dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c.redis = r.Addr()
	return measure(s, c)
}

// relay measures publications that one process takes and the clients of another receive. Each topic has one client, so
// that each delivery is a message of its own.
func (w *workshop) relay(s *server, on wire, topics int, l load) (figures, error) {
	c := setup{on: on, clients: topics, topics: topics, hubs: 2, relayed: true}
	f, err := w.sharing(s, c, func(s *server, c setup) (figures, error) { return w.fanout(s, c, l) })
	if err == nil {
		f["messages"] = f["rate"]
	}
	return f, err
}

// redisPID is the process that listens there.
func redisPID(address string) (int, error) {
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	info, err := client.InfoMap(context.Background(), "server").Result()
	if err != nil {
		return 0, fmt.Errorf("redis %s: %w", address, err)
	}
	return strconv.Atoi(info["Server"]["process_id"])
}
