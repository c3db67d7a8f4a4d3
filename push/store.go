package push

import (
	"context"
	"time"
)

// Store is what a [Broker] may have beside topics: small values that all instances
// share, in named sets, and that expire. A hub keeps revocations and tickets in it;
// with a broker that has none it can do neither. brokertest.RunStore is the suite for
// it.
//
// All methods may be called by any number of goroutines. Their errors are *Error or
// those of the context, and after Close CodeUnavailable. An error of Put or Take
// means maybe.
type Store interface {
	// Put stores a value until the time to live is over, which is at least a
	// millisecond, in place of the one that the key had. A set takes MaxStored
	// values; the error for one more is ErrLimitReached. Nothing of value is kept
	// after Put has returned.
	Put(ctx context.Context, set, key string, value []byte, ttl time.Duration) error

	// Take gives a value and forgets it: of several calls at once one gets it. Nil
	// if it isn't there, or has expired.
	Take(ctx context.Context, set, key string) ([]byte, error)

	// All gives all values of a set that haven't expired, by their keys.
	All(ctx context.Context, set string) (map[string][]byte, error)
}

// MaxStored is how many values a set of a [Store] takes.
const MaxStored = 100_000
