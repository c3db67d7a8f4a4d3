//go:build unix

package socket

import (
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestChurn has connections come and go while bytes, deadlines and the Close of
// both ends meet, and descriptors are used again at once. Each f must be called
// once, and must have a reason.
func TestChurn(t *testing.T) {
	everyWay(t, func(t *testing.T, dial dialer) {
		var pairing sync.Mutex // the two ends must be those of one connection
		var workers sync.WaitGroup
		for seed := range uint64(8) {
			workers.Go(func() {
				random := rand.New(rand.NewPCG(seed, 0))
				for range 100 {
					pairing.Lock()
					s, peer := dial()
					pairing.Unlock()
					l := life{t: t, s: s, ended: make(chan struct{})}
					l.run(peer, random)
				}
			})
		}
		workers.Wait()
	})
}

// life is that of one connection.
type life struct {
	t       *testing.T
	s       *Socket
	closing atomic.Bool
	limited atomic.Bool
	waits   []*calls
	ended   chan struct{}
}

func (l *life) run(peer net.Conn, random *rand.Rand) {
	l.wait()
	var others sync.WaitGroup
	bytes, rough, early, limit := random.IntN(4), random.IntN(2) == 0, random.IntN(3) == 0, random.IntN(4) == 0
	pause := random.IntN(50)
	others.Go(func() {
		for range bytes {
			peer.Write([]byte("x"))
			runtime.Gosched()
		}
		if tcp, ok := peer.(*net.TCPConn); ok && rough {
			tcp.SetLinger(0)
		}
		peer.Close()
	})
	if limit {
		others.Go(func() {
			l.limited.Store(true)
			l.s.SetReadDeadline(time.Now().Add(time.Duration(pause) * time.Microsecond))
		})
	}
	if early {
		others.Go(func() {
			for range pause {
				runtime.Gosched()
			}
			l.closing.Store(true)
			l.s.Close()
		})
	}
	<-l.ended
	others.Wait()
	l.s.Close()
	for _, c := range l.waits {
		c.stillOnce(l.t)
	}
}

// wait waits once more. The next one begins when this one was called, so that
// nothing here needs a lock.
func (l *life) wait() {
	c := new(calls)
	l.waits = append(l.waits, c)
	l.s.OnReadable(func() {
		if c.f(); c.n.Load() > 1 {
			return // told at the end
		}
		if !hasInput(l.s) && !l.closing.Load() && !l.limited.Load() {
			l.t.Error("called for nothing")
		}
		if _, err := l.s.conn.Read(make([]byte, 1)); err != nil {
			close(l.ended)
			return
		}
		l.wait()
	})
}
