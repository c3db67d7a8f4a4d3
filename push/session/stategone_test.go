package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
)

func heapNow() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestDeletedKeysAreNotKept for clients that have stopped reading in the middle of a snapshot.
func TestDeletedKeysAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, format := newStateWorld(t, push.Options{})
		const clients, keys, size = 12, 40, 60_000
		value := strings.Repeat("x", size)
		before := heapNow()
		for n := range clients {
			for i := range keys {
				w.set(fmt.Sprint(n, "-", i), value)
			}
			c, writes := newStateClient(), 0
			c.pause = func() time.Duration {
				if writes++; writes < 3 {
					return 0
				}
				return time.Hour
			}
			w.followState(format, c)
			synctest.Wait()
			for i := range keys {
				w.deleteKey(fmt.Sprint(n, "-", i))
			}
			synctest.Wait()
		}
		if grown := heapNow() - before; grown > clients*keys*size/2 {
			t.Errorf("%d KiB are kept of what was deleted, and %d are counted", grown>>10, w.hub.Stats().Memory>>10)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.hub.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
