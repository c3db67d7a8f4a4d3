// Package socket is what the transports need of a connection that has nothing
// to do: to write to it without waiting for its peer, and to hear from it
// without a goroutine or a buffer that waits.
package socket

import (
	"net"
	"syscall"
	"time"
)

// Socket is a connection that can be written without waiting, and that tells
// when there is something to read. Once there is a Socket, the connection must
// be closed, and its read deadline be set, by it and not directly. Everything
// else may be called on the connection as before.
//
// Its methods may be called by any goroutine at any time, but for TryWrite.
type Socket struct {
	watch watch
	conn  net.Conn
	raw   syscall.RawConn // nil if conn is a Memory
}

// Memory is a connection that isn't the operating system's and does by itself
// what a Socket does, as those in the memory of a test can. TryWrite,
// OnReadable, SetReadDeadline and Close must keep the promises of the Socket's
// methods of that name.
type Memory interface {
	net.Conn
	TryWrite(p []byte) (n int, err error)
	OnReadable(f func())
}

// New returns the Socket of conn. It returns nil if conn is neither a Memory
// nor a stream socket of the operating system as package net made it: what
// wraps one may change or keep back what passes through. On systems without
// POSIX sockets only a Memory has a Socket.
func New(conn net.Conn) *Socket {
	if _, ok := conn.(Memory); ok {
		return &Socket{conn: conn}
	}
	raw := rawOf(conn)
	if raw == nil {
		return nil
	}
	return &Socket{conn: conn, raw: raw}
}

// TryWrite writes what the kernel takes at once of p, and never waits: n <
// len(p) without an error means that it is full. A write deadline has no effect
// on it. After Close the error wraps [net.ErrClosed]; other errors are those
// that Write of the connection would return. It must not run together with
// another write, and doesn't keep p.
func (s *Socket) TryWrite(p []byte) (n int, err error) {
	if s.raw == nil {
		return s.conn.(Memory).TryWrite(p)
	}
	return s.tryWrite(p)
}

// OnReadable calls f once, in a goroutine of its own, when a read wouldn't
// wait: there is something to read, the peer has closed, the read deadline has
// passed, or Close was called. What is true already counts too. Only one f may
// wait at a time. Whoever reads while it waits may take what it is called for.
//
// Under Linux a socket that waits costs no goroutine. Elsewhere, and where the
// kernel has no epoll to give, it costs one that fits the smallest stack; on that
// way f may find the end of the stream where the connection was reset.
func (s *Socket) OnReadable(f func()) {
	if s.raw == nil {
		s.conn.(Memory).OnReadable(f)
		return
	}
	s.wait(f)
}

// SetReadDeadline sets the connection's deadline for reading, which holds for a
// waiting f too. Zero means none.
func (s *Socket) SetReadDeadline(t time.Time) error {
	if s.raw == nil {
		return s.conn.SetReadDeadline(t)
	}
	return s.setReadDeadline(t)
}

// Close closes the connection. A waiting f is called.
func (s *Socket) Close() error {
	if s.raw == nil {
		return s.conn.Close()
	}
	return s.close()
}
