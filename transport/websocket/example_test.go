package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	coder "github.com/coder/websocket"

	"github.com/tidewire/tidewire/transport/websocket"
)

// An echo server.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	}))
	defer server.Close()

	client, _, err := coder.Dial(context.Background(), server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Write(context.Background(), coder.MessageText, []byte("hello"))
	_, data, _ := client.Read(context.Background())
	fmt.Println(string(data))
	client.Close(coder.StatusNormalClosure, "")
	// Output: hello
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
		client, _, err := coder.Dial(context.Background(), server.URL, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		for range 2 {
			_, data, _ := client.Read(context.Background())
			fmt.Println(string(data))
		}
		client.CloseNow()
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
			conn.Close(4408, "nothing heard")
		}
	}))
	defer server.Close()

	client, _, err := coder.Dial(context.Background(), server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	_, _, err = client.Read(context.Background())
	fmt.Println(int(coder.CloseStatus(err)))
	// Output: 4408
}
