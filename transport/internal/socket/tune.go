package socket

import (
	"net"
	"time"
)

// Tuning is what the transports ask of the kernel for a connection.
type Tuning struct {
	// SendBuffer is how many bytes it keeps for a peer that doesn't read. Zero leaves
	// that to the system.
	SendBuffer int
	// AckTimeout is how long what was sent may stay unacknowledged by the peer's system,
	// or untaken by a peer that doesn't read, before the connection counts as dead. One
	// on which nothing was sent for so long is probed. Zero leaves that to the system.
	AckTimeout time.Duration
}

// Tune asks the kernel to send at once what is written to a TCP connection, also one
// below TLS, and for the rest of t as far as the system has it.
func Tune(conn net.Conn, t Tuning) {
	tcp, ok := below(conn).(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetNoDelay(true) // fails if the connection is gone, as writing will
	if t.SendBuffer > 0 {
		_ = tcp.SetWriteBuffer(t.SendBuffer)
	}
	if t.AckTimeout > 0 {
		const probes = 3 // without an answer end it too, where there is no setAckTimeout
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: t.AckTimeout, Interval: max(t.AckTimeout/probes, time.Second), Count: probes,
		})
		setAckTimeout(tcp, t.AckTimeout)
	}
}
