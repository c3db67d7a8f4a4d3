package broker

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
	// Put stores a value until its time to live is over, in place of the one that the
	// key had, if that is of a lower version. A value never gives way to one of its own
	// version or a lower one, however late that comes and whoever sends it: then nothing
	// is stored, and what is there is returned. Else that is nil. A set takes MaxStored
	// values; the error for one more is push.CodeLimitReached. Nothing of the value is kept
	// after Put has returned.
	Put(ctx context.Context, set, key string, v Stored) (there *Stored, err error)

	// Take gives a value and forgets it: of several calls at once one gets it. Nil
	// if it isn't there, or has expired.
	Take(ctx context.Context, set, key string) ([]byte, error)

	// All gives all values of a set that haven't expired, by their keys.
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
