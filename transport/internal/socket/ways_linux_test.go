package socket

import (
	"syscall"
	"testing"
)

var ways = []way{
	{"Epoll", func(testing.TB) {}},
	{"Asleep", refuseEpoll},
}

// refuseEpoll lets the kernel have no epoll to give until the end of the test.
func refuseEpoll(t testing.TB) {
	replaceEpoll(t, func(int) (int, error) { return -1, syscall.EMFILE })
}

func replaceEpoll(t testing.TB, create func(int) (int, error)) {
	was := createEpoll
	createEpoll = create
	t.Cleanup(func() { createEpoll = was })
}

func (s *Socket) waitsByEpoll() bool { return s.watch.poller != nil }
