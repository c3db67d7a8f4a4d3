package main

import (
	"context"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/websocket"
	"github.com/tidewire/tidewire/transport/ws"
)

// newHub makes a hub as in production: history, cursors and heartbeats are on.
func (s *site) newHub() (*push.Hub, publish) {
	var broker push.Broker = membroker.New()
	if s.redis != "" {
		broker = redisbroker.New(redis.NewClient(&redis.Options{Addr: s.redis}))
	}
	hub := push.New(broker, push.Options{Authorize: push.Anyone})
	return hub, func(topic string, data []byte) {
		if _, err := hub.Publish(context.Background(), push.Message{Topic: topic, Data: data}); err != nil {
			log.Fatal(err)
		}
	}
}

func tidewire(s *site) publish {
	hub, send := s.newHub()
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(hub, transport.Options{
		WebSocket: ws.New(hub, ws.Options{Compression: s.deflate}),
	}))
	s.serve(r)
	return send
}

// tidewireConn is our WebSocket alone, without hub and protocol, in a harness like that of the peers.
func tidewireConn(s *site) publish {
	room := newRoom(256)
	options := &websocket.AcceptOptions{}
	if s.deflate {
		options.Compression, options.CompressionThreshold = websocket.CompressionContextTakeover, 1
	}
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return // it has been answered
		}
		defer conn.CloseNow()
		member := room.join()
		go func() {
			for data := range member {
				if conn.Write(context.Background(), websocket.Text, data) != nil {
					return
				}
			}
		}()
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				room.leave(member)
				return
			}
		}
	}))
	return room.publish
}
