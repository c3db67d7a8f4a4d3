package broker

import (
	"context"
	"time"
)

// NonBlocking is a push.Broker whose calls wait for nothing but short locks. Each call
// returns at once without a deadline, so the hub needs no timer for it. A type that embeds
// such a broker promises the same.
type NonBlocking interface {
	// NonBlocking does nothing. Having it is the promise.
	NonBlocking()
}

// Keeper is a push.Broker that says how long it keeps the position of a topic that nobody
// uses. After that the topic may begin again in the same epoch, as one that nobody has
// published to. So a cursor of offset 0, which no message's tag proves, is good for this
// long from when it was issued, and then leads to a gap. For a broker that isn't a Keeper
// hubs assume 24 hours.
type Keeper interface {
	// Keep is the least time for which a position is kept.
	Keep() time.Duration
}

// HealthChecker is a push.Broker that can say what is wrong with it. Its answer is part of a
// hub's Health.
type HealthChecker interface {
	// Health returns nil if the broker can store messages and hears those of others.
	Health(ctx context.Context) error
}
