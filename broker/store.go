package broker

import (
	"context"
	"time"
)

// Store is what a push.Broker may have besides topics: small values in named sets, which
// all instances share and which expire. A hub keeps revocations and tickets in it, and with
// a broker that is no Store it has neither. brokertest.RunStore is the suite for it.
//
// All methods may be called by any number of goroutines. Their errors are those of a
// push.Broker. An error of Put or Take means maybe.
type Store interface {
	// Put stores a value until its time to live is over. It replaces a value of a lower
	// version, and returns nil. A value is never replaced by one of its own version or a
	// lower one, however late that comes and whoever sends it: Put then stores nothing and
	// returns what is there. A set takes MaxStored values; the error for one more is
	// push.CodeLimitReached. Put keeps nothing of the value after it has returned.
	Put(ctx context.Context, set, key string, v Stored) (there *Stored, err error)

	// Take returns a value and removes it: of several calls at once, one gets it. It
	// returns nil if the value isn't there or has expired.
	Take(ctx context.Context, set, key string) ([]byte, error)

	// All returns the values of a set that haven't expired, by their keys.
	All(ctx context.Context, set string) (map[string]Stored, error)
}

// Stored is a value of a [Store].
type Stored struct {
	Value []byte
	// Version is 0 to MaxOffset. It tells which of two values of a key is the newer,
	// as long as one of them is there.
	Version uint64
	// TTL is how long the value is there, from now on, by the store's clock. It is at
	// least a millisecond.
	TTL time.Duration
}

// Check returns an error if the value is one that no [Store] takes.
func (v Stored) Check() error {
	switch {
	case v.TTL < time.Millisecond:
		return BadRequestError("a time to live is at least a millisecond")
	case v.Version > MaxOffset:
		return BadRequestError("a version is at most 2^53-1")
	}
	return nil
}

// MaxStored is how many values a set of a [Store] takes.
const MaxStored = 100_000
