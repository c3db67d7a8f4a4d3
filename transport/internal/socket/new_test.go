//go:build unix

package socket

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestOnlyPlainSockets are taken: of all else New knows too little.
func TestOnlyPlainSockets(t *testing.T) {
	s, _ := newDialer(t, "tcp")()
	packets, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "s")})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	pipe, end := net.Pipe()
	defer pipe.Close()
	defer end.Close()
	for name, conn := range map[string]net.Conn{
		"TLS":           tls.Server(s.conn, nil),
		"wrapped":       struct{ *net.TCPConn }{s.conn.(*net.TCPConn)},
		"UDP":           packets,
		"unix datagram": datagrams,
		"pipe":          pipe,
	} {
		if New(conn) != nil {
			t.Errorf("%s: there is a Socket", name)
		}
	}
}

// memory records the calls.
type memory struct {
	net.Conn
	called string
}

func (m *memory) TryWrite(p []byte) (int, error)  { m.called += "TryWrite "; return len(p) - 1, nil }
func (m *memory) OnReadable(f func())             { m.called += "OnReadable "; go f() }
func (m *memory) SetReadDeadline(time.Time) error { m.called += "SetReadDeadline "; return nil }
func (m *memory) Close() error                    { m.called += "Close"; return nil }

func TestMemoryDoesItItself(t *testing.T) {
	m := new(memory)
	s := New(m)
	if n, err := s.TryWrite([]byte("abc")); n != 2 || err != nil {
		t.Errorf("TryWrite: %d, %v", n, err)
	}
	done := make(chan struct{})
	s.OnReadable(func() { close(done) })
	<-done
	s.SetReadDeadline(time.Time{})
	s.Close()
	if want := "TryWrite OnReadable SetReadDeadline Close"; m.called != want {
		t.Errorf("called %s, want %s", m.called, want)
	}
}
