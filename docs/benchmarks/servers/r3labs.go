package main

import (
	"net/http"

	"github.com/r3labs/sse/v2"
)

// r3labs is r3labs/sse as its README begins. It keeps every event, for clients that come later.
func r3labs(s *site) publish {
	server := sse.New()
	server.CreateStream("bench")
	s.serve(http.HandlerFunc(server.ServeHTTP))
	return func(_ string, data []byte) {
		server.Publish("bench", &sse.Event{Data: data})
	}
}
