package redisbroker

import (
	"log/slog"
	"time"

	"github.com/tidewire/tidewire/push"
)

// Options configures a [Broker]. The zero value of each field is its production
// default, and a negative size or time is taken for that, but in History.
type Options struct {
	// Prefix starts the names of all keys and channels. Default "tidewire:".
	Prefix string
	// History bounds what is kept of each topic. Default 1,000 messages, 4 MiB,
	// 10 minutes.
	History push.History
	// MaxMessage is the largest message, in bytes of data. Default 64 KiB.
	MaxMessage int
	// Retry is how long a message ID is remembered, so that publishing it again
	// adds nothing. It counts from the first. Default 5 minutes.
	Retry time.Duration
	// Keep is how long a topic that nobody uses keeps its epoch and offset, less up to
	// an eighth. Give all instances the same. Default 48 hours.
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
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "tidewire:"
	}
	o.History = o.History.WithDefaults()
	if o.MaxMessage <= 0 {
		o.MaxMessage = 64 << 10
	}
	o.Retry = orDefault(o.Retry, 5*time.Minute)
	o.Keep = orDefault(o.Keep, 48*time.Hour)
	o.Check = orDefault(o.Check, 2*time.Second)
	o.ReplicaTimeout = orDefault(o.ReplicaTimeout, 500*time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// orDefault gives a time its meaning, in milliseconds as Redis counts.
func orDefault(d, standard time.Duration) time.Duration {
	if d <= 0 {
		return standard
	}
	return max(d, time.Millisecond)
}
