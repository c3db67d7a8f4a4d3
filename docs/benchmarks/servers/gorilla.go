package main

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// gorilla is the chat among the examples of gorilla/websocket: a goroutine that reads and one that writes for each
// client, which joins the messages that wait in its channel to one, a line each.
func gorilla(s *site) publish {
	const (
		writeWait  = 10 * time.Second
		pongWait   = 60 * time.Second
		pingPeriod = pongWait * 9 / 10
	)
	room := newRoom(256)
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, EnableCompression: s.deflate}
	write := func(conn *websocket.Conn, member chan []byte) {
		ticker := time.NewTicker(pingPeriod)
		defer ticker.Stop()
		defer conn.Close()
		for {
			var data []byte
			pinging, going := false, true
			select {
			case data, going = <-member:
			case <-ticker.C:
				pinging = true
			}
			err := conn.SetWriteDeadline(time.Now().Add(writeWait))
			switch {
			case !going || err != nil:
				return
			case pinging:
				err = conn.WriteMessage(websocket.PingMessage, nil)
			default:
				err = writeJoined(conn, data, member)
			}
			if err != nil {
				return
			}
		}
	}
	read := func(conn *websocket.Conn, member chan []byte) {
		defer room.leave(member)
		defer conn.Close()
		conn.SetReadLimit(512)
		alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(pongWait)) }
		err := alive("")
		conn.SetPongHandler(alive)
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
	}
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // it has been answered
		}
		member := room.join()
		go write(conn, member)
		go read(conn, member)
	}))
	return room.publish
}

func writeJoined(conn *websocket.Conn, data []byte, waiting chan []byte) error {
	w, err := conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	for range len(waiting) {
		if _, err := w.Write(append([]byte("\n"), <-waiting...)); err != nil {
			return err
		}
	}
	return w.Close()
}
