package main

import (
	"log"

	"github.com/dunglas/mercure"
	"go.uber.org/zap"
)

// mercureHub is the hub of Mercure as a library: its local transport, which keeps no history, anonymous subscribers, no
// log line for each of them. Its licence is the AGPL, which is one more reason why this program is for measuring only.
func mercureHub(s *site) publish {
	transport := mercure.NewLocalTransport()
	hub, err := mercure.NewHub(mercure.WithTransport(transport), mercure.WithAnonymous(), mercure.WithLogger(zap.NewNop()))
	if err != nil {
		log.Fatal(err)
	}
	s.serve(hub)
	return func(topic string, data []byte) {
		update := &mercure.Update{Topics: []string{topic}, Event: mercure.Event{Data: string(data)}}
		if err := transport.Dispatch(update); err != nil {
			log.Fatal(err)
		}
	}
}
