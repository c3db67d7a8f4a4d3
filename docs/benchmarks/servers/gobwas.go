package main

import (
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// gobwas is gobwas/ws in its simple way: UpgradeHTTP, a goroutine that reads by wsutil, and one that writes by wsutil
// what comes out of the client's channel.
func gobwas(s *site) publish {
	room := newRoom(256)
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // it has been answered
		}
		member := room.join()
		go writeGobwas(conn, member)
		go func() {
			defer conn.Close()
			for {
				if _, _, err := wsutil.ReadClientData(conn); err != nil {
					room.leave(member)
					return
				}
			}
		}()
	}))
	return room.publish
}

func writeGobwas(conn net.Conn, member chan []byte) {
	for data := range member {
		if wsutil.WriteServerMessage(conn, ws.OpText, data) != nil {
			return
		}
	}
}
