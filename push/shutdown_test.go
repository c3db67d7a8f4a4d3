package push

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
)

// TestShutdownWaitsForADrainThatHasBegun has a Shutdown that comes while a Drain still
// collects the sessions.
func TestShutdownWaitsForADrainThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &closing{closed: make(chan struct{})}
		h := New(b, Options{})
		s := &drained{begun: make(chan struct{}), proceed: make(chan struct{})}
		h.sessions = s
		go h.Drain()
		<-s.begun
		go func() {
			if err := h.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		select {
		case <-b.closed:
			t.Error("the broker is closed before the sessions have left")
		default:
		}
		close(s.proceed)
		<-b.closed
	})
}

// closing is a broker of which only Close is called.
type closing struct {
	Broker
	closed chan struct{}
}

func (b *closing) Close(context.Context) error {
	close(b.closed)
	return nil
}

// drained are sessions whose Drain takes until it may proceed.
type drained struct{ begun, proceed chan struct{} }

func (s *drained) Drain() (disconnect func()) {
	close(s.begun)
	<-s.proceed
	return func() {}
}

func (s *drained) Enforce()                   {}
func (s *drained) End(uuid.UUID, *Error)      {}
func (s *drained) Cut()                       {}
func (s *drained) Stats(*Stats)               {}
func (s *drained) Health(*Health)             {}
func (s *drained) Connections(string) int     { return 0 }
func (s *drained) SendBack(string, uuid.UUID) {}
