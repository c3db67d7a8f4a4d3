// Package broker has the words that brokers and hubs share: the [Position] of a message, the
// [Gap] between two, the [History] of a topic, the [Limit] of a read, and the rules for
// names. It also has what a broker may offer besides the interface push.Broker: a [Store]
// of small values, [Keeper], [NonBlocking].
//
// It is for authors of brokers. Applications use [Gap], [History] and [CheckTopic].
//
// Package broker/brokertest is the suite that each broker must pass; broker/membroker and
// broker/redisbroker are the two that exist. docs/architecture.md has a recipe for another.
package broker
