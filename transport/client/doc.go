// Package client is for Go programs that follow the topics of a Tidewire server, send to
// them and publish to them: services, command-line tools, tests.
//
// A [Client] has one connection, over a WebSocket, or over an event stream where a WebSocket
// can't get through. It reconnects by itself and resumes where it was, so that each
// [Subscription] gets every message of its topic once and in order, or an [Event] with a
// gap: messages were missed, and the program loads its state again. With
// [SubscribeOptions].Recent the topic's last messages come at the beginning, and after each
// gap.
//
//	c, err := client.New("https://example.com/push")
//	…
//	prices, err := c.Subscribe("prices")
//	…
//	for event, err := range prices.Events(ctx) {
//		…
//	}
//
// A [State] is a live copy of a state topic, a map of keys to values: it begins with all keys
// and follows their changes.
//
//	prices, err := c.State("prices")
//	…
//	err = prices.Ready(ctx)
//	…
//	acme, ok := prices.Get("ACME")
//
// Memory is bounded. When the events of a subscription aren't taken, the client stops
// reading once the subscription's buffer is full, which delays its other subscriptions too.
// Nothing is dropped: if that lasts, the server ends the connection, and the client resumes.
// So take the events of every subscription, or close it. A State has no events that wait: it
// is as large as the map, which the server bounds.
//
// After a connection is lost the client waits longer with each attempt that fails; see
// [Options].MinBackoff for the bounds, and for when that starts over. The log has the reason
// of each failure, and the errors of Send and Ready have the last.
//
// A [Publisher] is a [push.Publisher] for a backend that reaches no broker: it publishes by
// HTTP, to one topic or many, and changes the keys of state topics, as a
// [push.StatePublisher].
//
// docs/protocol.md describes what goes over the wire.
package client
