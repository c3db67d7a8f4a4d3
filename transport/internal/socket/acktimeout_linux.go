package socket

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT, in milliseconds (tcp(7), RFC 5482), which package
// syscall has for few architectures.
const tcpUserTimeout = 18

// setAckTimeout has the kernel end a connection on which data stays unacknowledged, or
// can't be sent for want of room at the peer, or a probe unanswered, for so long.
func setAckTimeout(tcp *net.TCPConn, timeout time.Duration) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // fails if the connection is gone
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(timeout.Milliseconds()))
	})
}
