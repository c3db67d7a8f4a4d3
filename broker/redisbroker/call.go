package redisbroker

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	// maxCalls is how many calls of Redis may be under way at once; more wait for
	// their turn. It bounds what a frozen Redis holds up.
	maxCalls = 1024
	// callTimeout is for calls whose context has no deadline.
	callTimeout = 3 * time.Second
)

// calls sees to it that a call of Redis returns when its context ends, which the
// application's client does only if it was told to.
type calls chan struct{}

func newCalls() calls { return make(calls, maxCalls) }

// do gives what call returns, or the context's error.
func do[T any](ctx context.Context, c calls, call func(context.Context) (T, error)) (value T, err error) {
	ctx, cancel := deadline(ctx)
	defer cancel()
	select {
	case c <- struct{}{}:
	case <-ctx.Done():
		return value, push.AsError(ctx.Err())
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() { // wait waits for it
		value, err := call(ctx)
		answers <- answer{value, err}
		<-c
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return value, push.AsError(ctx.Err())
	}
}

func deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// wait returns when no call is under way, for good: there can be none after it.
func (c calls) wait(ctx context.Context) error {
	for range cap(c) {
		select {
		case c <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
