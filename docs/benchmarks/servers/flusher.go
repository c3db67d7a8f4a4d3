package main

import (
	"fmt"
	"net/http"
)

// flusher is an event stream by net/http alone: the handler writes what comes out of the client's channel, and flushes.
func flusher(s *site) publish {
	room := newRoom(256)
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache")
		control := http.NewResponseController(w)
		if control.Flush() != nil {
			return
		}
		member := room.join()
		defer room.leave(member)
		for {
			select {
			case data, ok := <-member:
				if !ok {
					return
				}
				if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
					return
				}
				if control.Flush() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	}))
	return room.publish
}
