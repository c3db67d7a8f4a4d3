//go:build unix && !linux

package socket

import "testing"

var ways = []way{{"Asleep", func(testing.TB) {}}}

func (s *Socket) waitsByEpoll() bool { return false }
