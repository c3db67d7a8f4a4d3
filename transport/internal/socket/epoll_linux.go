package socket

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// poller waits for all sockets of the process in one goroutine. It is there
// while there are sockets that have waited and aren't closed.
//
// An epoll can be waited for like a file, so the goroutine sleeps in Go's own
// poller, which needs no thread for it.
type poller struct {
	fd   int // open as long as a socket is in here
	file *os.File
	done chan struct{} // closed when the goroutine has ended

	// Guarded by pollers. The keys are numbers of our own: an event that was fetched
	// before its socket closed must not find another one with the same descriptor.
	sockets map[int32]*Socket
	lastKey int32
}

// pollers has the poller that new sockets enter, or nil. One that is empty
// isn't there any more.
var pollers struct {
	sync.Mutex
	current *poller
}

// createEpoll is replaced by tests of what happens without one.
var createEpoll = syscall.EpollCreate1

// enter gives s a poller and a key there, unless there is no epoll to be had.
// Its watch.mu is held.
func enter(s *Socket) bool {
	pollers.Lock()
	defer pollers.Unlock()
	p := pollers.current
	if p == nil {
		if p = newPoller(); p == nil {
			return false
		}
		pollers.current = p
	}
	p.lastKey++
	for p.sockets[p.lastKey] != nil { // the numbers have come round
		p.lastKey++
	}
	p.sockets[p.lastKey] = s
	s.watch.poller, s.watch.key = p, p.lastKey
	return true
}

// leave forgets s. The last one to leave waits for the goroutine to end, which
// may be waiting for the watch.mu of a socket, but not of one that is alone.
func (p *poller) leave(s *Socket) {
	pollers.Lock()
	delete(p.sockets, s.watch.key)
	last := len(p.sockets) == 0
	if last {
		pollers.current = nil
	}
	pollers.Unlock()
	if last {
		p.file.Close()
		<-p.done
	}
}

func (p *poller) find(key int32) *Socket {
	pollers.Lock()
	defer pollers.Unlock()
	return p.sockets[key]
}

func newPoller() *poller {
	fd, err := createEpoll(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or package os won't wait for it
		syscall.Close(fd)
		return nil
	}
	p := &poller{
		fd:      fd,
		file:    os.NewFile(uintptr(fd), "epoll"),
		done:    make(chan struct{}),
		sockets: make(map[int32]*Socket),
	}
	raw, err := p.file.SyscallConn()
	if err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails where Go's poller didn't take it
	}
	if err != nil {
		p.file.Close()
		return nil
	}
	go p.run(raw)
	return p
}

// run hands out events until the file is closed.
func (p *poller) run(raw syscall.RawConn) {
	defer close(p.done)
	events := make([]syscall.EpollEvent, 256)
	_ = raw.Read(func(fd uintptr) (stop bool) {
		for {
			n, err := syscall.EpollWait(int(fd), events, 0)
			if err == syscall.EINTR {
				continue
			}
			for _, event := range events[:max(n, 0)] {
				if s := p.find(event.Fd); s != nil {
					s.watch.readable(event.Pad)
				}
			}
			if n < len(events) {
				return false // what comes from now on wakes us
			}
		}
	})
}

// The changes of what the kernel watches.
const (
	add    = syscall.EPOLL_CTL_ADD
	rearm  = syscall.EPOLL_CTL_MOD
	remove = syscall.EPOLL_CTL_DEL
)

// change is one call of poller.change. They are kept like attempts.
type change struct {
	do    func(fd uintptr)
	epoll int
	act   int
	event syscall.EpollEvent
	err   error
}

var changes = sync.Pool{New: func() any {
	c := new(change)
	c.do = func(fd uintptr) { c.err = syscall.EpollCtl(c.epoll, c.act, int(fd), &c.event) }
	return c
}}

// change tells the kernel of s. One event at most comes for each add and rearm.
// The watch.mu of s is held.
func (p *poller) change(s *Socket, act int) error {
	c := changes.Get().(*change)
	defer changes.Put(c)
	c.epoll, c.act = p.fd, act
	c.event = syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     s.watch.key,
		Pad:    s.watch.waits,
	}
	if err := s.raw.Control(c.do); err != nil {
		return err
	}
	return c.err
}
