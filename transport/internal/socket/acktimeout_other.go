//go:build !linux

package socket

import (
	"net"
	"time"
)

// setAckTimeout does nothing: how long data may stay unacknowledged is the system's own
// choice here. Probes of an idle connection find its end all the same.
func setAckTimeout(*net.TCPConn, time.Duration) {}
