package main

import (
	"log"
	"net"
	"runtime"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sys/unix"
)

// gobwasEpoll is gobwas/ws in the way for which it was made: the zero-copy upgrade on the bare connection, one epoll in
// place of a goroutine for each client, and each message compiled to a frame once. As many goroutines as there are
// processors write, each to its own share of the clients, so that every client's messages keep their order.
func gobwasEpoll(s *site) publish {
	poll, err := unix.EpollCreate1(0)
	if err != nil {
		log.Fatal(err)
	}
	e := &epoll{fd: poll, conns: map[int32]net.Conn{}}
	shares := make([]*share, runtime.GOMAXPROCS(0))
	for i := range shares {
		shares[i] = &share{frames: make(chan []byte, 256), conns: map[net.Conn]struct{}{}}
		go shares[i].write()
	}
	go e.wait(func(conn net.Conn, fd int32) {
		if _, _, err := wsutil.ReadClientData(conn); err != nil {
			e.remove(fd)
			shares[int(fd)%len(shares)].remove(conn)
			_ = conn.Close() // the client is gone
		}
	})
	go func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				log.Fatal(err)
			}
			if _, err := ws.Upgrade(conn); err != nil {
				_ = conn.Close() // it isn't a WebSocket
				continue
			}
			fd := e.add(conn)
			shares[int(fd)%len(shares)].add(conn)
		}
	}()
	return func(_ string, data []byte) {
		frame := ws.MustCompileFrame(ws.NewTextFrame(data))
		for _, share := range shares {
			share.frames <- frame
		}
	}
}

// share is the clients that one goroutine writes to.
type share struct {
	frames chan []byte

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (s *share) add(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = struct{}{}
}

func (s *share) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

func (s *share) write() {
	for frame := range s.frames {
		s.mu.Lock()
		for conn := range s.conns {
			_, _ = conn.Write(frame) // who is gone is removed by the reader
		}
		s.mu.Unlock()
	}
}

// epoll tells which clients have something to read.
type epoll struct {
	fd int

	mu    sync.Mutex
	conns map[int32]net.Conn
}

func (e *epoll) add(conn net.Conn) int32 {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		log.Fatal(err)
	}
	var client int32
	err = raw.Control(func(fd uintptr) { client = int32(fd) })
	if err != nil {
		log.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns[client] = conn
	if err := unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, int(client), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: client}); err != nil {
		log.Fatal(err)
	}
	return client
}

func (e *epoll) remove(fd int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, fd)
	_ = unix.EpollCtl(e.fd, unix.EPOLL_CTL_DEL, int(fd), nil) // closing removes it too
}

func (e *epoll) wait(readable func(net.Conn, int32)) {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(e.fd, events, -1)
		if err != nil && err != unix.EINTR {
			log.Fatal(err)
		}
		for _, event := range events[:max(n, 0)] {
			e.mu.Lock()
			conn := e.conns[event.Fd]
			e.mu.Unlock()
			if conn != nil {
				readable(conn, event.Fd)
			}
		}
	}
}
