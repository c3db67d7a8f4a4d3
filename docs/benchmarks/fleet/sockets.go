package fleet

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// sockets are bare TCP connections on one epoll.
type sockets struct {
	epoll  int
	fds    []int // by client; -1: not connected
	buffer []byte
	events []unix.EpollEvent
	bytes  int64 // that were read
}

func newSockets(clients int) (*sockets, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	s := &sockets{
		epoll:  epoll,
		fds:    make([]int, clients),
		buffer: make([]byte, 256<<10),
		events: make([]unix.EpollEvent, 512),
	}
	for i := range s.fds {
		s.fds[i] = -1
	}
	return s, nil
}

// dial takes sources that differ, since one address has ports for some 28,000 connections only.
func (s *sockets) dial(client, port int, request []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.fds[client] = fd
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	source := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + client/10_000)}}
	if err := unix.Bind(fd, source); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(client)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return err
	}
	return s.send(client, request)
}

func (s *sockets) send(client int, b []byte) error {
	n, err := unix.Write(s.fds[client], b)
	if err == nil && n < len(b) {
		err = errors.New("a server that doesn't read")
	}
	return err
}

func (s *sockets) poll(deadline time.Time, take func(int, []byte) error) error {
	wait := max(time.Until(deadline), 0)
	n, err := unix.EpollWait(s.epoll, s.events, int((wait+time.Millisecond-1)/time.Millisecond))
	if err != nil && err != unix.EINTR {
		return err
	}
	for _, event := range s.events[:max(n, 0)] {
		if err := s.read(int(event.Fd), take); err != nil {
			return err
		}
	}
	return nil
}

// read takes what a client has received. Less than the buffer holds means that there is no more.
func (s *sockets) read(client int, take func(int, []byte) error) error {
	for {
		n, err := unix.Read(s.fds[client], s.buffer)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return err
		case n == 0:
			return errGoodbye
		}
		s.bytes += int64(n)
		if err := take(client, s.buffer[:n]); err != nil {
			return err
		}
		if n < len(s.buffer) {
			return nil
		}
	}
}

func (s *sockets) received() int64 { return s.bytes }

func (s *sockets) hangUp() {
	for i, fd := range s.fds {
		if fd >= 0 {
			_ = unix.Close(fd) // nothing more is awaited of it
			s.fds[i] = -1
		}
	}
}

func (s *sockets) close() { _ = unix.Close(s.epoll) } // nothing is written to it
