package main

import (
	"log"
	"net/http"

	"github.com/olahol/melody"
)

// melodyBroadcast is melody as its README begins: HandleRequest and Broadcast.
func melodyBroadcast(s *site) publish {
	m := melody.New()
	m.Upgrader.EnableCompression = s.deflate
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = m.HandleRequest(w, r) // it has been answered
	}))
	return func(_ string, data []byte) {
		if err := m.Broadcast(data); err != nil {
			log.Fatal(err)
		}
	}
}
