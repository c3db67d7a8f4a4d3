package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/client"
)

// startServer stands for a server that runs elsewhere.
func startServer() (hub *push.Hub, url string, stop func()) {
	hub = push.New(membroker.New(), push.Options{
		Authorize: push.Anyone,
		Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			return push.Reply{Data: append([]byte("got "), in.Data...)}, nil
		},
	})
	server := httptest.NewServer(transport.Routes(hub, transport.Options{PublishKey: "secret"}))
	return hub, server.URL, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			log.Print(err)
		}
		server.Close()
	}
}

func ExampleClient() {
	hub, url, stop := startServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := client.New(url)
	if err != nil {
		log.Fatal(err)
	}
	prices, err := c.Subscribe("prices")
	if err != nil {
		log.Fatal(err)
	}
	if err := prices.Ready(ctx); err != nil { // nothing that is published from here on is missed
		log.Fatal(err)
	}
	for _, price := range []string{"1.50", "1.52", "end"} {
		if _, err := hub.Publish(ctx, push.Message{Topic: "prices", Data: []byte(price)}); err != nil {
			log.Fatal(err)
		}
	}
	for event, err := range prices.Events(ctx) {
		switch {
		case errors.Is(err, client.ErrClosed):
			fmt.Println("closed")
		case err != nil:
			log.Fatal(err) // refused for good
		case event.Gap != nil:
			fmt.Println("load all prices again:", event.Gap.Reason)
		case event.Message == nil:
			log.Print(event.Refused) // for now
		case string(event.Message.Data) == "end":
			prices.Close()
		default:
			fmt.Println(string(event.Message.Data))
		}
	}
	if err := c.Close(ctx); err != nil {
		log.Print(err)
	}
	// Output:
	// 1.50
	// 1.52
	// closed
}

func ExampleClient_Send() {
	_, url, stop := startServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := client.New(url)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := c.Send(ctx, push.Message{Topic: "chat", Data: []byte("hello")})
	switch {
	case errors.Is(err, push.CodeForbidden):
		log.Fatal("not here")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(string(reply.Data))
	if err := c.Close(ctx); err != nil {
		log.Print(err)
	}
	// Output: got hello
}

func ExampleNewPublisher() {
	_, url, stop := startServer()
	defer stop()

	publisher, err := client.NewPublisher(url, "secret")
	if err != nil {
		log.Fatal(err)
	}
	defer publisher.Close()
	receipt, err := publisher.Publish(context.Background(), push.Message{Topic: "orders", Data: []byte("order 42 was paid")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored as message", receipt.Position.Offset)
	// Output: stored as message 1
}
