//go:build unix

package socket

import (
	"net"
	"os"
	"sync"
	"syscall"
)

// rawOf returns the way to the file descriptor of a stream socket, or nil.
func rawOf(conn net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		if addr := c.LocalAddr(); addr == nil || addr.Network() != "unix" {
			return nil // datagrams, or packets with bounds
		}
		raw, err = c.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// attempt is one call of TryWrite. They are kept, because a function for
// RawConn is an allocation.
type attempt struct {
	write func(fd uintptr)
	p     []byte
	n     int
	err   error
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.write = func(fd uintptr) {
		for {
			a.n, a.err = syscall.Write(int(fd), a.p)
			if a.err != syscall.EINTR {
				return
			}
		}
	}
	return a
}}

func (s *Socket) tryWrite(p []byte) (n int, err error) {
	a := attempts.Get().(*attempt)
	a.p = p
	// Control and not Write: that would wait for who is writing, and refuse when a
	// write deadline has passed. Both keep the descriptor from being closed meanwhile.
	if s.raw.Control(a.write) != nil {
		a.n, a.err = 0, net.ErrClosed
	}
	n, err = max(a.n, 0), a.err
	a.p, a.err = nil, nil
	attempts.Put(a)

	if err == nil || err == syscall.EAGAIN {
		return n, nil
	}
	if err != net.ErrClosed {
		err = os.NewSyscallError("write", err)
	}
	local := s.conn.LocalAddr()
	return n, &net.OpError{Op: "write", Net: local.Network(), Source: local, Addr: s.conn.RemoteAddr(), Err: err}
}
