//go:build unix

package socket

import "syscall"

// waitAsleep is the way to wait that works everywhere: a goroutine sleeps in
// Go's own poller. Nothing on it but f needs more than the smallest stack.
func (s *Socket) waitAsleep(f func()) {
	go func() {
		// An error is a deadline that has passed or a connection that is closed; f
		// meets it when it reads.
		_ = s.raw.Read(readable)
		f()
	}()
}

// readable reports whether a read wouldn't wait. Looking at the next byte is
// the only question to the kernel that also sees the end of the stream and is
// the same on all systems.
func readable(fd uintptr) bool {
	for {
		var next [1]byte
		_, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK)
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}
