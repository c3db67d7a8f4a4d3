package main

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// coderChat is the chat among the examples of coder/websocket, without its limit of publications a second. The limit
// on what waits for a client is that of the example, 16.
func coderChat(s *site) publish {
	room := newRoom(16)
	options := &websocket.AcceptOptions{}
	if s.deflate {
		options.CompressionMode, options.CompressionThreshold = websocket.CompressionContextTakeover, 1
	}
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return // it has been answered
		}
		defer func() { _ = conn.CloseNow() }() // gone either way
		ctx := conn.CloseRead(context.Background())
		member := room.join()
		defer room.leave(member)
		for {
			select {
			case data, ok := <-member:
				if !ok {
					return
				}
				if writeCoder(ctx, conn, data) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}))
	return room.publish
}

func writeCoder(ctx context.Context, conn *websocket.Conn, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, data)
}
