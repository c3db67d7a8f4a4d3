package follow

import (
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
)

// Options configures a [Broker]. The zero value of each field is its production default,
// which a negative size or time gets too.
type Options struct {
	// Name starts log messages: the package of the broker. Default "broker".
	Name string
	// Instance tells this broker from the others on the store. Default a random text.
	Instance string
	// Rules say what topics are. Default none.
	Rules *broker.TopicRules
	// MaxMessage is the largest message, in bytes of data. Default 64 KiB.
	MaxMessage int
	// Keep is how long the store keeps the head of a topic that nobody uses; it may
	// expire up to an eighth earlier. Give all instances the same. Default 48 hours, at
	// least a millisecond.
	Keep time.Duration
	// Check is how often the followed topics where nothing is heard are compared with the
	// store. Default 2 s, at least a millisecond.
	Check time.Duration
	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger
}

// WithDefaults returns o with all its fields filled.
func (o Options) WithDefaults() Options {
	if o.Name == "" {
		o.Name = "broker"
	}
	if o.Instance == "" {
		o.Instance = uuid.NewString()
	}
	if o.Rules == nil {
		o.Rules = broker.NewTopicRules(broker.History{}, nil)
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = 64 << 10
	}
	o.Keep = Duration(o.Keep, 48*time.Hour)
	o.Check = Duration(o.Check, 2*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Duration is what an option of a broker means: what isn't positive is the default,
// and a millisecond is the least.
func Duration(d, standard time.Duration) time.Duration {
	if d <= 0 {
		return standard
	}
	return max(d, time.Millisecond)
}
