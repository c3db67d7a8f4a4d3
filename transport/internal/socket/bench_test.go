//go:build unix

package socket

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// BenchmarkWrite compares TryWrite with what it takes the place of.
func BenchmarkWrite(b *testing.B) {
	p := make([]byte, 128)
	for name, write := range map[string]func(s *Socket) (int, error){
		"TryWrite": func(s *Socket) (int, error) { return s.TryWrite(p) },
		"WithDeadline": func(s *Socket) (int, error) {
			s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
			return s.conn.Write(p)
		},
	} {
		b.Run(name, func(b *testing.B) {
			s, peer := newDialer(b, "tcp")()
			go io.Copy(io.Discard, peer)
			b.ReportAllocs()
			for b.Loop() {
				n, err := write(s)
				for n < len(p) && err == nil { // full: what Write waits for as well
					runtime.Gosched()
					n, err = write(s)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWait is a byte, the call for it, its read and the next wait.
func BenchmarkWait(b *testing.B) {
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			way.use(b)
			s, peer := newDialer(b, "tcp")()
			called := make(chan struct{})
			f := func() { called <- struct{}{} }
			p := make([]byte, 1)
			b.ReportAllocs()
			for b.Loop() {
				s.OnReadable(f)
				peer.Write(p)
				<-called
				s.conn.Read(p)
			}
		})
	}
}

// BenchmarkIdle measures what a waiting socket costs beside its net.Conn.
func BenchmarkIdle(b *testing.B) {
	const many = 8000
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			way.use(b)
			for b.Loop() {
				heap, stack := idleCost(b, many)
				b.ReportMetric(heap, "heap-B/socket")
				b.ReportMetric(stack, "stack-B/socket")
			}
		})
	}
}

// idleCost returns the bytes of heap and stack for each of so many sockets.
func idleCost(t testing.TB, many int) (heap, stack float64) {
	dial := newDialer(t, "unix")
	sockets, peers := make([]*Socket, many), make([]net.Conn, many)
	for i := range sockets {
		sockets[i], peers[i] = dial()
	}
	var before, after runtime.MemStats
	readMemory(&before)
	for i, s := range sockets {
		sockets[i] = New(s.conn) // as large as the first, which dial keeps
		sockets[i].OnReadable(func() {})
	}
	runtime.Gosched()
	readMemory(&after)
	for i, s := range sockets {
		s.Close()
		peers[i].Close()
	}
	each := func(after, before uint64) float64 { return float64(int64(after-before)) / float64(many) }
	return each(after.HeapAlloc, before.HeapAlloc), each(after.StackInuse, before.StackInuse)
}

// readMemory lets go of what is only kept for later first.
func readMemory(m *runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(m)
}
