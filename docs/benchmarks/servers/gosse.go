package main

import (
	"log"

	"github.com/tmaxmax/go-sse"
)

// goSSE is tmaxmax/go-sse as its README begins: the zero Server, with Joe as its provider.
func goSSE(s *site) publish {
	server := &sse.Server{}
	s.serve(server)
	return func(_ string, data []byte) {
		m := &sse.Message{}
		m.AppendData(string(data))
		if err := server.Publish(m); err != nil {
			log.Fatal(err)
		}
	}
}
