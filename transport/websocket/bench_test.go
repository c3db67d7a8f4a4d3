package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// endless is a connection on which the peer sends the same bytes for ever, and
// takes all that is written.
type endless struct {
	net.Conn
	bytes []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.bytes[e.at:])
	e.at = (e.at + n) % len(e.bytes)
	return n, nil
}

func (e *endless) Write(p []byte) (int, error)      { return len(p), nil }
func (e *endless) SetReadDeadline(time.Time) error  { return nil }
func (e *endless) SetWriteDeadline(time.Time) error { return nil }
func (e *endless) Close() error                     { return nil }

func benchConn(received []byte, deflate deflateParams) *Conn {
	opts := (&AcceptOptions{MaxMessage: -1}).withDefaults().settings()
	return newConn(&endless{bytes: received}, nil, "", deflate, opts)
}

var benchSizes = []int{16, 512, 16 << 10, 1 << 20}

func BenchmarkRead(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := benchConn(fin(opBinary, string(make([]byte, size))), deflateParams{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.Read(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := benchConn(fin(opText, string(make([]byte, size))), deflateParams{})
			buf := make([]byte, 32<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				_, r, err := c.Reader(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf)
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, deflate := range []deflateParams{{}, {on: true, sendBits: 15}, {on: true, sendBits: 15, sendTakeover: true}} {
		for _, size := range benchSizes {
			name := fmt.Sprintf("deflate=%t,takeover=%t/%d", deflate.on, deflate.sendTakeover, size)
			b.Run(name, func(b *testing.B) {
				c := benchConn(nil, deflate)
				data := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Write(context.Background(), Binary, data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWriteFrames(b *testing.B) {
	frame := AppendFrame(nil, Text, make([]byte, 200))
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := benchConn(nil, deflateParams{})
			frames := make([][]byte, n)
			for i := range frames {
				frames[i] = frame
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.WriteFrames(frames); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				unmask(p, 0x12345678)
			}
		})
	}
}
