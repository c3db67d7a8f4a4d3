package client

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
	// longestWait is what a server may ask for: none can turn a client away for hours.
	longestWait = 5 * time.Minute
)

// backoff is full jitter between two bounds.
type backoff struct {
	least, greatest time.Duration
}

// wait returns how long to wait after so many failures in a row, and at least as long as
// the server asks for. After the first failure it starts at 0, after later ones at least.
func (b backoff) wait(failures int, asked time.Duration) time.Duration {
	most := b.greatest
	if failures < 30 {
		most = min(most, b.least<<failures)
	}
	jitter := rand.N(max(most, 1))
	if failures > 0 {
		jitter += b.least
	}
	return max(jitter, min(asked, longestWait))
}

// sleep waits, and reports false if the context has ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
