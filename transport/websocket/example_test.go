package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/transport/websocket"
)

// echo sends every message back.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // answered already
	}
	defer conn.CloseNow()
	for {
		typ, data, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		if err := conn.Write(context.Background(), typ, data); err != nil {
			return
		}
	}
}

// An echo server and its client.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.Text, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	typ, data, err := conn.Read(ctx)
	fmt.Println(typ, string(data), err)
	fmt.Println(conn.Close(websocket.StatusNormal, ""))
	// Output:
	// text hello <nil>
	// <nil>
}

// A server that refuses says why.
func ExampleDial_refused() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not today", http.StatusForbidden)
	}))
	defer server.Close()

	_, _, err := websocket.Dial(context.Background(), server.URL, &websocket.DialOptions{
		Header: http.Header{"Authorization": {"Bearer 123"}},
	})
	if refused, ok := errors.AsType[*websocket.ResponseError](err); ok {
		fmt.Println(refused.Response.Status)
	}
	// Output: 403 Forbidden
}

// One message for many connections is encoded once.
func ExampleConn_WriteFrames() {
	news := websocket.AppendFrame(nil, websocket.Text, []byte("news"))
	more := websocket.AppendFrame(nil, websocket.Text, []byte("more news"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.WriteFrames([][]byte{news, more}) // one write
		conn.Close(websocket.StatusNormal, "")
	}))
	defer server.Close()

	for range 2 {
		conn, _, err := websocket.Dial(context.Background(), server.URL, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		for range 2 {
			_, data, _ := conn.Read(context.Background())
			fmt.Println(string(data))
		}
		conn.CloseNow()
	}
	// Output:
	// news
	// more news
	// news
	// more news
}

// A client that is silent for too long is told so.
func ExampleConn_SetReadDeadline() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, _, err := conn.Read(context.Background()); err != nil {
			conn.Close(4408, "no message came")
		}
	}))
	defer server.Close()

	conn, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	_, _, err = conn.Read(context.Background())
	fmt.Println(int(websocket.CloseStatus(err)))
	// Output: 4408
}

// printer prints what it is given.
type printer struct{ ended chan struct{} }

func (p printer) Message(typ websocket.MessageType, data []byte) bool {
	fmt.Println(typ, string(data))
	return true
}

func (p printer) Ended(err error) {
	fmt.Println("closed with", int(websocket.CloseStatus(err)))
	close(p.ended)
}

func (p printer) Frame() error   { return nil }
func (p printer) Hold(int) error { return nil }
func (p printer) Pong()          {}

// A server that holds no goroutine for a client that is silent.
func ExampleConn_Receive() {
	p := printer{make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Receive(p) // and the handler returns
	}))
	defer server.Close()

	conn, _, err := websocket.Dial(context.Background(), server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Write(context.Background(), websocket.Text, []byte("hello"))
	conn.Close(websocket.StatusNormal, "")
	<-p.ended
	// Output:
	// text hello
	// closed with 1000
}
