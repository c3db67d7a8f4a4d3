package session

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// A cursor at offset 0 says that the client has got nothing of its epoch. Nothing else
// proves it: a topic whose place the broker keeps no longer may begin again in the same
// epoch, and then the cursor would pass for one of the new history, and hide all that was
// in the old one. So it is good as long as no history can have come and gone since it was
// issued. While a feed follows the topic, none can without its being told.

// cursorLife is how long a cursor at offset 0 is good for on a broker. An eighth of what
// the broker promises is left for clocks that differ.
func cursorLife(b push.Broker) time.Duration {
	keep := 24 * time.Hour
	if k, ok := b.(broker.Keeper); ok {
		keep = k.Keep()
	}
	return keep - keep/8
}

// outdates reports whether the client's place may be of an earlier history than the
// feed's, although its epoch is the same. One that was issued later than now could claim
// any age. Called with f.mu held.
func (f *feed) outdates(c *catchUp) bool {
	if c.from != FromCursor || c.since.IsZero() || c.since.Offset > 0 {
		return false
	}
	issued := time.Unix(int64(c.issued), 0)
	return f.since.Sub(issued) > f.hub.life || time.Until(issued) > f.hub.life/8
}
