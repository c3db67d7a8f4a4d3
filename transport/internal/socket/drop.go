package socket

import "net"

// Drop closes a connection at once, also one over TLS, whose own Close may wait for
// its peer. s is its Socket, or nil. It may be called again, and while another
// Close is under way, which it cuts short.
func Drop(conn net.Conn, s *Socket) {
	if s != nil {
		_ = s.Close() // closed either way, as below
		return
	}
	_ = below(conn).Close()
	_ = conn.Close() // what wraps it may count its connections, and has nobody to wait for any more
}

// below gives what a connection over TLS, or one that wraps another by that name, is
// made of.
func below(conn net.Conn) net.Conn {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return wrapped.NetConn()
	}
	return conn
}
