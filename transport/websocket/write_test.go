package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// calls counts the write calls of a connection.
type calls struct {
	net.Conn
	sizes []int
}

func (c *calls) Write(p []byte) (int, error) {
	c.sizes = append(c.sizes, len(p))
	return len(p), nil
}

func TestWriteCalls(t *testing.T) {
	frame := func(n int) []byte { return AppendFrame(nil, Binary, make([]byte, n)) }
	tests := []struct {
		name   string
		frames [][]byte
		want   []int
	}{
		{"none", nil, nil},
		{"one", [][]byte{frame(100)}, []int{102}},
		{"a large one", [][]byte{frame(100_000)}, []int{100_010}},
		{"small ones joined", [][]byte{frame(100), frame(0), frame(1000)}, []int{102 + 2 + 1004}},
		{"large among small", [][]byte{frame(10), frame(20_000), frame(20), frame(30)}, []int{12, 20_004, 54}},
		{"more than a buffer", slices.Repeat([][]byte{frame(1020)}, 20), []int{16 * 1024, 4 * 1024}},
		{"empty ones", [][]byte{nil, frame(1), nil}, []int{3}},
		{"in chunks", [][]byte{frame(300_000)}, []int{writeChunk, writeChunk, 300_010 - 2*writeChunk}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := pipe(t, nil, deflateParams{})
			counting := &calls{Conn: c.net}
			c.net = counting
			if err := c.WriteFrames(tt.frames); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(counting.sizes, tt.want) {
				t.Errorf("wrote %v, want %v", counting.sizes, tt.want)
			}
		})
	}

	c, _ := pipe(t, nil, deflateParams{})
	counting := &calls{Conn: c.net}
	c.net = counting
	c.Write(t.Context(), Text, make([]byte, 10_000))
	c.Write(t.Context(), Text, make([]byte, 20_000))
	if want := []int{10_004, writeBufferSize, 20_004 - writeBufferSize}; !slices.Equal(counting.sizes, want) {
		t.Errorf("wrote %v, want %v", counting.sizes, want)
	}
}

func TestWriteTimeout(t *testing.T) {
	for name, write := range map[string]func(c *Conn) error{
		"Write":       func(c *Conn) error { return c.Write(context.Background(), Text, []byte("x")) },
		"WriteFrames": func(c *Conn) error { return c.WriteFrames([][]byte{AppendFrame(nil, Text, nil)}) },
		"WritePing":   func(c *Conn) error { return c.WritePing(nil) },
		"WriteClose":  func(c *Conn) error { return c.WriteClose(1000, "") },
		"Writer": func(c *Conn) error {
			w, _ := c.Writer(context.Background(), Text)
			io.WriteString(w, strings.Repeat("x", 20_000))
			return w.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := pipe(t, &AcceptOptions{WriteTimeout: 7 * time.Second}, deflateParams{})
				start := time.Now()
				wantErr(t, write(c), os.ErrDeadlineExceeded)
				if took := time.Since(start); took != 7*time.Second {
					t.Errorf("took %v", took)
				}
				<-c.Done()
			})
		})
	}
}

// A slow peer isn't a stalled one: each part of a large message has its own time.
func TestSlowPeerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go func() {
			buf := make([]byte, writeChunk/2)
			for {
				time.Sleep(2 * time.Second)
				if _, err := io.ReadFull(p.Conn, buf); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		if err := c.Write(t.Context(), Binary, make([]byte, 10*writeChunk)); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 30*time.Second {
			t.Errorf("took %v", took)
		}
		c.CloseNow()
	})
}

func TestWriteGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		w, err := c.Writer(t.Context(), Text)
		if err != nil {
			t.Fatal(err)
		}
		// Waiting for its turn: nothing happens to the connection.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantErr(t, c.Write(ctx, Text, nil), context.DeadlineExceeded)
		wantErr(t, c.WriteFrames(nil), os.ErrDeadlineExceeded)
		go w.Close()
		if got := p.Next(); got != "text" {
			t.Error(got)
		}
		// In the middle of a frame: the connection is lost.
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go p.Conn.Read(make([]byte, 1))
		wantErr(t, c.Write(ctx, Text, []byte("hello")), context.DeadlineExceeded)
		<-c.Done()
	})
}

func TestWriterSendsFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go func() {
			w, _ := c.Writer(context.Background(), Text)
			io.WriteString(w, strings.Repeat("a", 20_000))
			c.WritePing([]byte("between"))
			io.WriteString(w, "b")
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			wantErr(t, w.Close(), errWriterClosed)
			_, err := w.Write(nil)
			wantErr(t, err, errWriterClosed)
			c.Write(context.Background(), Binary, []byte("next"))
		}()
		for _, want := range []string{"part text 16374 bytes", "ping between", "more 3627 bytes", "binary next"} {
			if got := p.Next(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestWrongMessageType(t *testing.T) {
	c, _ := pipe(t, nil, deflateParams{})
	for _, typ := range []MessageType{0, 3, 8, 256 + 1} {
		wantErr(t, c.Write(t.Context(), typ, nil), errMessageType)
		_, err := c.Writer(t.Context(), typ)
		wantErr(t, err, errMessageType)
	}
}

// Whoever writes, the peer sees whole messages with control frames between.
func TestEverybodyWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		var writers sync.WaitGroup
		go c.Read(t.Context())
		for range 20 {
			writers.Go(func() { c.Write(context.Background(), Text, []byte(strings.Repeat("w", 30_000))) })
			writers.Go(func() {
				c.WriteFrames([][]byte{AppendFrame(nil, Text, []byte("f")), AppendFrame(nil, Text, []byte("f"))})
			})
			writers.Go(func() { c.WritePing([]byte("p")) })
			writers.Go(func() { p.Write(fin(opPing, "q")) })
			writers.Go(func() {
				w, err := c.Writer(context.Background(), Text)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(w, strings.Repeat("s", 20_000))
				w.Close()
			})
		}
		got := map[string]int{}
		for n := 0; n < 20*7; n++ {
			f := p.Next()
			got[f]++
			if f == "part text 16374 bytes" {
				for f = p.Next(); f == "ping p" || f == "pong q"; f = p.Next() {
					got[f]++
					n++
				}
				n++
				got[f]++
			}
		}
		want := map[string]int{"text 30000 bytes": 20, "text f": 40, "ping p": 20, "pong q": 20, "part text 16374 bytes": 20, "more 3626 bytes": 20}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		writers.Wait()
		c.CloseNow()
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pings, pongs []string
		c, p := pipe(t, &AcceptOptions{
			OnPing: func(_ *Conn, b []byte) { pings = append(pings, string(b)) },
			OnPong: func(_ *Conn, b []byte) { pongs = append(pongs, string(b)) },
		}, deflateParams{})
		var reader sync.WaitGroup
		reader.Go(func() { c.Read(context.Background()) })

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- c.Ping(t.Context()) }()
		p.Next()
		go func() { second <- c.Ping(t.Context()) }()
		answer := strings.TrimPrefix(p.Next(), "ping ")
		p.Write(join(fin(opPong, "nobody asked"), fin(opPong, answer), fin(opPong, answer)))
		if err := <-first; err != nil { // a pong answers the pings before, too
			t.Error(err)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}

		go io.Copy(io.Discard, p.Buffer)
		wantErr(t, c.Ping(ctx), context.DeadlineExceeded)
		if err := c.WritePing(make([]byte, 126)); err == nil {
			t.Error("ping of 126 bytes was sent")
		}
		p.Write(fin(opPing, "you?"))
		lost := make(chan error, 1)
		go func() { lost <- c.Ping(t.Context()) }()
		synctest.Wait()
		p.Close()
		wantErr(t, <-lost, net.ErrClosed)
		reader.Wait()
		if len(pongs) != 3 || fmt.Sprint(pings) != "[you?]" {
			t.Errorf("told of pings %q and pongs %q", pings, pongs)
		}
		if n := len(c.pings.waiting); n != 0 {
			t.Errorf("%d pings are still waited for", n)
		}
	})
}

// B35: pongs of a flood are joined, and cost no more memory than what was read.
func TestPingFlood(t *testing.T) {
	c, p := pipe(t, nil, deflateParams{})
	counting := &calls{Conn: c.net}
	c.net = counting
	const n = 10_000
	go func() {
		p.Write(slices.Concat(slices.Repeat(fin(opPing, ""), n), fin(opText, "after")))
	}()
	if _, data, err := c.Read(t.Context()); string(data) != "after" || err != nil {
		t.Fatalf("%q, %v", data, err)
	}
	total := 0
	for _, size := range counting.sizes {
		total += size
		if size > readBufferSize {
			t.Errorf("%d bytes gathered", size)
		}
	}
	if total != 2*n || len(counting.sizes) > n/20 {
		t.Errorf("%d bytes in %d calls", total, len(counting.sizes))
	}
}
