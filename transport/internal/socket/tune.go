package socket

import "net"

// Tune asks the kernel to send at once what is written to a TCP connection, and to
// keep no more than sendBuffer bytes of it for a peer that doesn't read. Zero leaves
// that to the system.
func Tune(conn net.Conn, sendBuffer int) {
	tcp, ok := below(conn).(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetNoDelay(true) // fails if the connection is gone, as writing will
	if sendBuffer > 0 {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
}
