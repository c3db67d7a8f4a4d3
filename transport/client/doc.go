// Package client is for Go programs that follow the topics of a Tidewire server, send to
// them and publish to them: services, command-line tools, tests.
//
// A [Client] has one connection, over a WebSocket, or over an event stream where a WebSocket
// can't get through. It reconnects by itself and resumes where it was, so that each
// [Subscription] gets every message of its topic once and in order, or an [Event] with a
// gap: messages were missed, and the program loads its state again.
//
//	c, err := client.New("https://example.com/push")
//	…
//	prices, err := c.Subscribe("prices")
//	…
//	for event, err := range prices.Events(ctx) {
//		…
//	}
//
// Memory is bounded. When the events of a subscription aren't taken, the client stops
// reading once the subscription's buffer is full, which delays its other subscriptions too.
// Nothing is dropped: if that lasts, the server ends the connection, and the client resumes.
// So take the events of every subscription, or close it.
//
// A [Publisher] is a [push.Publisher] for a backend that reaches no broker: it publishes by
// HTTP.
//
// docs/protocol.md describes what goes over the wire.
package client
