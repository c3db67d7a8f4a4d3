//go:build !linux

package socket

import "time"

// watch is empty: Go's own poller knows of whoever waits, of deadlines and of
// Close.
type watch struct{}

func (s *Socket) wait(f func()) { s.waitAsleep(f) }

func (s *Socket) setReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

func (s *Socket) close() error { return s.conn.Close() }
