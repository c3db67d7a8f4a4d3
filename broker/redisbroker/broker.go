// Package redisbroker is the broker over Redis 7 or newer, on its own, with Sentinel or as
// a Cluster: any number of instances, and of services that only publish, behave as one.
//
// A topic's history is a stream, its head a hash. One script stores a message and sends it
// to the instances; another reads. Live messages come by pub/sub, which may lose some: that
// shows by their offsets, by a check of all quiet topics every few seconds, and after each
// reconnect, and what is missing is then read once for all clients of the instance.
//
// What followers get is decided by package broker/internal/follow, as for every broker over
// a store that loses notifications. Here is only Redis, behind follow's port: server.go
// calls the scripts, state.go those for states, send.go and pipeline.go send calls together, and subscriber.go listens.
package redisbroker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// Broker is a [push.Broker] on Redis. It starts goroutines and a connection for pub/sub (on
// a Cluster, one for each node) when topics are subscribed to; a broker that only publishes
// has neither.
type Broker struct {
	options Options
	follow  *follow.Broker
}

var (
	_ broker.Keeper  = (*Broker)(nil)
	_ broker.Store   = (*Broker)(nil)
	_ broker.Metered = (*Broker)(nil)

	_ broker.HealthChecker = (*Broker)(nil)
	_ push.StateBroker     = (*Broker)(nil)
)

// New makes a broker on the application's client (a *redis.Client, of Sentinel too, or a
// *redis.ClusterClient), which stays open when the broker is closed and should have
// timeouts, as go-redis' defaults have. More than one Options panics. Nothing is sent to
// Redis yet; see [Broker.Health].
func New(client redis.UniversalClient, options ...Options) *Broker {
	o := optional.One(options).withDefaults()
	return newBroker(newServer(client, o), o)
}

func newBroker(store follow.StorePort, o Options) *Broker {
	return &Broker{o, follow.New(store, o.follow())}
}

// Health reports what is wrong, or nil: whether Redis can be reached and written to, is new
// enough, whether live messages are heard, and what Redis has refused in the last seconds.
// A broker recovers by itself once the cause is gone; its followers stay, and will miss
// nothing.
func (b *Broker) Health(ctx context.Context) error { return b.follow.Health(ctx) }

// Keep is the least of Options.Keep; see [broker.Keeper].
func (b *Broker) Keep() time.Duration { return b.follow.Keep() }

// Publish stores a message and sends it to all instances. With m.Replicated it waits for a
// replica as well, at most Options.ReplicaTimeout.
func (b *Broker) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.follow.Publish(ctx, m)
}

// PublishAll is Publish to several topics in few round trips, one for up to 128 messages; see
// [push.Hub.PublishAll]. On a Cluster each owner of topics has round trips of its own.
func (b *Broker) PublishAll(ctx context.Context, m push.Message, topics ...string) []push.Published {
	return b.follow.PublishAll(ctx, m, topics...)
}

// Set sets a key of a state; see [push.StatePublisher].
func (b *Broker) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.follow.Set(ctx, m)
}

// Append adds text to a key of a state; see [push.StatePublisher].
func (b *Broker) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.follow.Append(ctx, m)
}

// Delete deletes a key of a state; see [push.StatePublisher].
func (b *Broker) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.follow.Delete(ctx, m)
}

// Touch renews the time to live of a key of a state; see [push.StatePublisher].
func (b *Broker) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return b.follow.Touch(ctx, m)
}

// Rule returns how a topic is treated, by Options.Topics.
func (b *Broker) Rule(topic string) *broker.TopicRule { return b.follow.Rule(topic) }

// Renew renews the time to live of keys of a state; see [push.StateBroker].
func (b *Broker) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration) (gone []string, err error) {
	return b.follow.Renew(ctx, topic, keys, ttl)
}

// State reads the keys of a state; see [push.StateBroker].
func (b *Broker) State(ctx context.Context, topic string) (push.Page, error) {
	return b.follow.State(ctx, topic)
}

// Subscribe makes r get the topic's messages. It waits for a Redis that can't be reached
// now, but not for one that waiting won't help: the wrong kind, too old, or one that doesn't
// admit the broker.
func (b *Broker) Subscribe(ctx context.Context, topic string, r push.Receiver) (broker.Position, error) {
	return b.follow.Subscribe(ctx, topic, r)
}

// Unsubscribe ends what Subscribe began.
func (b *Broker) Unsubscribe(topic string, r push.Receiver) { b.follow.Unsubscribe(topic, r) }

// Since reads what came after a position.
func (b *Broker) Since(ctx context.Context, topic string, after broker.Position, limit broker.Limit) (push.Page, error) {
	return b.follow.Since(ctx, topic, after, limit)
}

// Recent reads the newest messages.
func (b *Broker) Recent(ctx context.Context, topic string, limit broker.Limit) (push.Page, error) {
	return b.follow.Recent(ctx, topic, limit)
}

// Put stores a value; see [broker.Store].
func (b *Broker) Put(ctx context.Context, set, key string, v broker.Stored) (there *broker.Stored, err error) {
	return b.follow.Put(ctx, set, key, v)
}

// Take returns a value and forgets it; see [broker.Store].
func (b *Broker) Take(ctx context.Context, set, key string) ([]byte, error) {
	return b.follow.Take(ctx, set, key)
}

// All returns all values of a set; see [broker.Store].
func (b *Broker) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	return b.follow.All(ctx, set)
}

// Close ends the broker's goroutines and its connections for pub/sub.
func (b *Broker) Close(ctx context.Context) error { return b.follow.Close(ctx) }
