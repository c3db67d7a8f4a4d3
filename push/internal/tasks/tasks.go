// Package tasks counts what runs, so that a shutdown can wait for it.
package tasks

import (
	"context"
	"sync"
)

// Tasks counts what a hub has started. In contrast to sync.WaitGroup, new tasks may start
// while somebody waits. The zero value is ready.
type Tasks struct {
	mu    sync.Mutex
	count int
	idle  chan struct{} // closed when count falls to zero; nil if nobody waits
}

// Add counts one more task, for which Done must be called.
func (t *Tasks) Add() {
	t.mu.Lock()
	t.count++
	t.mu.Unlock()
}

// Done counts a task out.
func (t *Tasks) Done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count--
	if t.count == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// Go runs f in a goroutine that Wait waits for.
func (t *Tasks) Go(f func()) {
	t.Add()
	go func() {
		defer t.Done()
		f()
	}()
}

// Wait returns nil when no task is left, or the context's error.
func (t *Tasks) Wait(ctx context.Context) error {
	t.mu.Lock()
	if t.count == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
