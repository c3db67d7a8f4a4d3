package redisbroker

import (
	"log/slog"
	"math"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// Options configures a [Broker]. The zero value of each field is its production
// default, and a negative size or time is taken for that, but in History.
type Options struct {
	// Prefix starts the names of all keys and channels. Default "tidewire:".
	Prefix string
	// History bounds what is kept of each topic. Default 1,000 messages, 4 MiB,
	// 10 minutes.
	History broker.History
	// Topics are rules for topics by pattern, such as a history of their own. Malformed
	// patterns panic.
	Topics []push.TopicRule
	// MaxMessage is the largest message, in bytes of data. Default 64 KiB.
	MaxMessage int
	// Retry is how long a message ID is remembered, so that publishing it again
	// adds nothing. It counts from the first. Default 5 minutes.
	Retry time.Duration
	// Keep is how long a topic that nobody uses keeps its epoch and offset, less up to
	// an eighth. Give all instances the same. Default 48 hours. A topic whose history has
	// a greater age is kept for as long as its messages are. One whose age isn't bounded
	// ends, messages included, when nobody has published to it for this long.
	Keep time.Duration
	// Check is how often the followed topics where nothing is heard are compared
	// with Redis, which finds lost pub/sub messages and a history that has gone
	// back in time. Default 2 s.
	Check time.Duration
	// ReplicaTimeout is how long Publish waits for a replica if
	// push.Message.Replicated asks for it. Default 500 ms. The client's
	// ReadTimeout must be longer.
	ReplicaTimeout time.Duration
	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger

	rules *broker.TopicRules
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "tidewire:"
	}
	o.rules = broker.NewTopicRules(o.History, o.Topics)
	o.Retry = follow.Duration(o.Retry, 5*time.Minute)
	o.ReplicaTimeout = follow.Duration(o.ReplicaTimeout, 500*time.Millisecond)
	f := o.follow().WithDefaults()
	o.MaxMessage, o.Keep, o.Check, o.Logger = f.MaxMessage, f.Keep, f.Check, f.Logger
	return o
}

// keep is how long the head of a topic is kept whose messages have this age at most: as
// long as they may be read. An eighth is added that the scripts may take off.
func (o Options) keep(age time.Duration) time.Duration {
	if age > unboundedAge {
		return o.Keep
	}
	return max(o.Keep, age+age/7+time.Millisecond)
}

// unboundedAge is the longest age that is one. What is longer, which is 200 years, means
// that age doesn't matter.
const unboundedAge = math.MaxInt64 / 10 * 7

// follow returns the options that aren't about Redis.
func (o Options) follow() follow.Options {
	return follow.Options{Name: "redisbroker", Rules: o.rules, MaxMessage: o.MaxMessage, Keep: o.Keep, Check: o.Check, Logger: o.Logger}
}
