//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func eachNetwork(t *testing.T, test func(t *testing.T, dial dialer)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) { test(t, newDialer(t, network)) })
	}
}

// TestTryWriteUntilFull writes far more than the kernel takes, and checks that
// what was taken arrives, all of it and in order.
func TestTryWriteUntilFull(t *testing.T) {
	eachNetwork(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		s.conn.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(64 << 10)
		peer.(interface{ SetReadBuffer(int) error }).SetReadBuffer(64 << 10)
		sent := make([]byte, 2<<20)
		for i := range sent {
			sent[i] = byte(i * i >> 8)
		}
		n, err := s.TryWrite(sent)
		if err != nil || n == 0 || n == len(sent) {
			t.Fatalf("wrote %d of %d bytes, %v", n, len(sent), err)
		}
		// Acknowledgements may still make room for a while.
		eventually(t, "a full socket", func() bool {
			k, err := s.TryWrite(sent[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += k
			return k == 0
		})

		received := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(peer)
			received <- all
		}()
		eventually(t, "room for the rest", func() bool {
			k, err := s.TryWrite(sent[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += k
			return n == len(sent)
		})
		s.Close()
		if !bytes.Equal(<-received, sent) {
			t.Fatal("other bytes arrived")
		}
	})
}

// TestTryWriteHeedsNoDeadline also checks that Write works as before.
func TestTryWriteHeedsNoDeadline(t *testing.T) {
	eachNetwork(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		s.conn.SetWriteDeadline(time.Unix(1, 0))
		if _, err := s.conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write: %v", err)
		}
		if n, err := s.TryWrite([]byte("abc")); n != 3 || err != nil {
			t.Fatalf("TryWrite: %d, %v", n, err)
		}
		s.conn.SetWriteDeadline(time.Time{})
		if _, err := s.conn.Write([]byte("def")); err != nil {
			t.Fatalf("Write: %v", err)
		}
		got := make([]byte, 6)
		if _, err := io.ReadFull(peer, got); err != nil || string(got) != "abcdef" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestTryWriteAfterClose(t *testing.T) {
	eachNetwork(t, func(t *testing.T, dial dialer) {
		s, _ := dial()
		s.Close()
		if n, err := s.TryWrite([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Fatalf("%d, %v", n, err)
		}
	})
}

func TestTryWriteToNobody(t *testing.T) {
	eachNetwork(t, func(t *testing.T, dial dialer) {
		s, peer := dial()
		reset(t, s, peer)
		var err error
		eventually(t, "the error", func() bool {
			_, err = s.TryWrite([]byte("x"))
			return err != nil
		})
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "write" {
			t.Errorf("%#v isn't what Write returns", err)
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
	})
}

func TestTryWriteAllocatesNothing(t *testing.T) {
	eachNetwork(t, func(t *testing.T, dial dialer) {
		s, _ := dial()
		p := make([]byte, 16)
		if n := testing.AllocsPerRun(1000, func() { s.TryWrite(p) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
