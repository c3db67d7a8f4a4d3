//go:build !unix

package socket

import (
	"errors"
	"net"
	"syscall"
)

// Without POSIX sockets there is no Socket of the operating system, so that
// what follows isn't called.

func rawOf(net.Conn) syscall.RawConn { return nil }

func (s *Socket) tryWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (s *Socket) waitAsleep(f func()) { go f() }
