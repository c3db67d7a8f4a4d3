package broker

import (
	"time"

	"github.com/tidewire/tidewire/push/optional"
)

// History bounds what a broker keeps of a topic, for all its brokers alike. A
// zero field takes its default, a negative one doesn't bound.
type History struct {
	Messages int           // default 1,000
	Bytes    int           // default 4 MiB, by Message.Size
	Age      time.Duration // default 10 minutes
}

// WithDefaults gives h with its zero fields filled, and no bound as the
// largest value.
func (h History) WithDefaults() History {
	return History{
		Messages: optional.Bound(h.Messages, 1000),
		Bytes:    optional.Bound(h.Bytes, 4<<20),
		Age:      optional.Bound(h.Age, 10*time.Minute),
	}
}
