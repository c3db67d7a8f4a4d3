package broker

import "time"

// NonBlocking is a [Broker] whose calls wait for nothing but short locks. Each call ends
// at once without a deadline, so the hub needs no timer for it. A type that embeds
// such a broker promises the same.
type NonBlocking interface {
	// NonBlocking does nothing; to have it is the promise.
	NonBlocking()
}

// Keeper is a [Broker] that tells how long it keeps the place of a topic that nobody
// uses. After that the topic is one that nobody has published to, and may begin again in
// the same epoch: a cursor of offset 0, which no message's tag proves, is good for no
// longer than this from when it was issued, and then leads to a gap. Of a broker that
// doesn't tell, 24 hours are assumed.
type Keeper interface {
	// Keep is the least time for which a place is kept.
	Keep() time.Duration
}
