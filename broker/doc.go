// Package broker has what a broker and a hub say to each other about a topic's history:
// positions, gaps, the bounds of history and reads, and the small values of a [Store]. It
// is for authors of brokers; applications meet its [Gap] and [History].
//
// A broker is a [github.com/tidewire/tidewire/push.Broker]. Package broker/brokertest is
// the suite that each must pass, broker/membroker and broker/redisbroker are the two that
// exist, and docs/architecture.md has a recipe for another one.
package broker
