//go:build unix

package session

import (
	"math"
	"syscall"
)

// descriptors is how many files and connections the process may have open; 0 if that
// has no limit worth the name.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	if n := float64(limit.Cur); n < math.MaxInt32 { // its type differs from system to system
		return int(n)
	}
	return 0
}
