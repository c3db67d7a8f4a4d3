package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
)

// History is as ours is by default.
const (
	centrifugeHistory = 1000
	centrifugeTTL     = 10 * time.Minute
)

// topicsKey is where the context of a request has its topics.
type topicsKey struct{}

// centrifugeNode is centrifuge with history and recovery, its memory engine or its Redis engine, and JSON. The server
// subscribes each client to the topics of its URL.
func centrifugeNode(s *site) publish {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if s.redis != "" {
		useRedis(node, s.redis)
	}
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		reply := centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{}, // anonymous
			Subscriptions: map[string]centrifuge.SubscribeOptions{},
		}
		for _, topic := range ctx.Value(topicsKey{}).([]string) {
			reply.Subscriptions[topic] = centrifuge.SubscribeOptions{EnableRecovery: true}
		}
		return reply, nil
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/ws", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		Compression: s.deflate, CompressionLevel: 1, // without a level it compresses nothing
	}))
	// The clients here would have to post their pongs.
	unanswered := centrifuge.PingPongConfig{PongTimeout: -1}
	mux.Handle("/connection/sse", centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{PingPongConfig: unanswered}))
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), topicsKey{}, r.URL.Query()["topic"])))
	}))
	history := centrifuge.WithHistory(centrifugeHistory, centrifugeTTL)
	return func(topic string, data []byte) {
		text, err := json.Marshal(string(data)) // its JSON protocol takes JSON only
		if err == nil {
			_, err = node.Publish(topic, text, history)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

func useRedis(node *centrifuge.Node, address string) {
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: address})
	if err != nil {
		log.Fatal(err)
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
	if err != nil {
		log.Fatal(err)
	}
	node.SetBroker(broker)
}
