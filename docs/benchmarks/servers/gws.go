package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/lxzan/gws"
)

// gwsBroadcast is gws with its Broadcaster, which encodes a message once and writes it in each connection's own queue.
func gwsBroadcast(s *site) publish {
	h := &gwsHandler{conns: map[*gws.Conn]struct{}{}}
	upgrader := gws.NewUpgrader(h, &gws.ServerOption{
		ParallelEnabled: true,
		Recovery:        gws.Recovery,
		PermessageDeflate: gws.PermessageDeflate{
			Enabled: s.deflate, ServerContextTakeover: true, ClientContextTakeover: true, Threshold: 1,
		},
	})
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go socket.ReadLoop() // a goroutine of its own lets go of the request
	}))
	return h.broadcast
}

type gwsHandler struct {
	gws.BuiltinEventHandler

	mu    sync.Mutex
	conns map[*gws.Conn]struct{}
}

const gwsWait = 60 * time.Second

func (h *gwsHandler) OnOpen(socket *gws.Conn) {
	_ = socket.SetDeadline(time.Now().Add(gwsWait)) // a closed connection needs none
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[socket] = struct{}{}
}

func (h *gwsHandler) OnClose(socket *gws.Conn, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, socket)
}

func (h *gwsHandler) OnPing(socket *gws.Conn, _ []byte) {
	_ = socket.SetDeadline(time.Now().Add(gwsWait)) // a closed connection needs none
	_ = socket.WritePong(nil)                       // its error comes by OnClose
}

func (h *gwsHandler) broadcast(_ string, data []byte) {
	b := gws.NewBroadcaster(gws.OpcodeText, data)
	defer b.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for socket := range h.conns {
		_ = b.Broadcast(socket) // its error comes by OnClose
	}
}
