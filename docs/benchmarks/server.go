package main

import (
	"fmt"
	"strings"
)

// wire is how clients are connected.
type wire string

const (
	ws  wire = "ws"
	sse wire = "sse"
)

// server is one of those that are compared.
type server struct {
	name  string
	wires []wire
	from  string // whose version is told: a module or a package

	program     string // floor, node or nginx; empty: servers
	path        string // of the request; TOPICS stands for the topics, as topic=… joined by &
	subprotocol string
	hello       string // a text message that clients send when they are answered, on a WebSocket
	ready       string // part of what tells them that they are there; empty: the answer itself
	silent      bool   // the answer comes with the first publication only
	ping, pong  string // a heartbeat in text
}

const (
	tidewireModule = "github.com/tidewire/tidewire"
	gobwasModule   = "github.com/gobwas/ws"
)

// servers are all, in the order of the tables.
var servers = []server{
	{name: "floor", wires: []wire{ws, sse}, program: "floor", from: "cc"},
	{
		name: "tidewire", wires: []wire{ws, sse}, from: tidewireModule, path: "/push/WIRE?TOPICS",
		subprotocol: "tidewire.v1", ready: `"type":"welcome"`, ping: `{"type":"ping"}`, pong: `{"type":"pong"}`,
	},
	{
		name: "tidewire-gobwas", wires: []wire{ws}, from: gobwasModule, path: "/?TOPICS",
		subprotocol: "tidewire.v1", ready: `"type":"welcome"`, ping: `{"type":"ping"}`, pong: `{"type":"pong"}`,
	},
	{name: "tidewire-conn", wires: []wire{ws}, from: tidewireModule},
	{name: "gorilla", wires: []wire{ws}, from: "github.com/gorilla/websocket"},
	{name: "coder", wires: []wire{ws}, from: "github.com/coder/websocket"},
	{name: "gobwas", wires: []wire{ws}, from: gobwasModule},
	{name: "gobwas-epoll", wires: []wire{ws}, from: gobwasModule},
	{name: "gws", wires: []wire{ws}, from: "github.com/lxzan/gws"},
	{name: "melody", wires: []wire{ws}, from: "github.com/olahol/melody"},
	{name: "go-sse", wires: []wire{sse}, from: "github.com/tmaxmax/go-sse", silent: true},
	{name: "r3labs", wires: []wire{sse}, from: "github.com/r3labs/sse/v2", path: "/?stream=bench"},
	{name: "flusher", wires: []wire{sse}, from: "net/http"},
	{
		name: "centrifuge", wires: []wire{ws, sse}, from: "github.com/centrifugal/centrifuge",
		path:  "/connection/WIRE?TOPICS&cf_connect=%7B%22id%22:1,%22connect%22:%7B%7D%7D", // instead of hello on an event stream
		hello: `{"id":1,"connect":{}}`, ready: `"connect":{`, ping: `{}`, pong: `{}`,
	},
	{name: "mercure", wires: []wire{sse}, from: "github.com/dunglas/mercure", path: "/.well-known/mercure?TOPICS"},
	{name: "ws", wires: []wire{ws}, program: "node", from: "ws"},
	{
		name: "socket.io", wires: []wire{ws}, program: "node", from: "socket.io",
		path: "/socket.io/?EIO=4&transport=websocket", hello: "40", ready: "40{", ping: "2", pong: "3",
	},
	{name: "nchan", wires: []wire{ws, sse}, program: "nginx", from: "nchan", path: "/sub?TOPICS"},
}

// leading are those of a quick run.
var leading = []string{"floor", ours, "tidewire-gobwas", "gorilla", "gobwas-epoll", "gws", "go-sse", "flusher", "centrifuge"}

// request is what a client sends.
func (s *server) request(w wire, topics []string, cursor string, deflate bool) []byte {
	query := "topic=" + strings.Join(topics, "&topic=")
	if cursor != "" {
		query += "&since=" + cursor
	}
	path := s.path
	if path == "" {
		path = "/"
	}
	path = strings.NewReplacer("WIRE", string(w), "TOPICS", query).Replace(path)
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", path)
	if w == sse {
		return append(b, "Accept: text/event-stream\r\n\r\n"...)
	}
	b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"...)
	if s.subprotocol != "" {
		b = append(b, "Sec-WebSocket-Protocol: "+s.subprotocol+"\r\n"...)
	}
	if deflate {
		b = append(b, "Sec-WebSocket-Extensions: permessage-deflate\r\n"...)
	}
	return append(b, "\r\n"...)
}
