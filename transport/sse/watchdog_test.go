package sse

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push/session"
)

// slowOutput takes a while for each write, unless a deadline ends it.
type slowOutput struct {
	output
	takes time.Duration
	cut   chan struct{}
}

func (o *slowOutput) Write(p []byte) (int, error) {
	select {
	case <-time.After(o.takes): //clock:virtual
		return len(p), nil
	case <-o.cut:
		return 0, errors.New("cut")
	}
}

func (*slowOutput) Begin()       {}
func (*slowOutput) Flush() error { return nil }

func (o *slowOutput) SetWriteDeadline(time.Time) error {
	close(o.cut)
	return nil
}

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 5 * time.Second
		dog := newWatchdog(timeout)
		frame := []*session.Frame{{Bytes: []byte("x")}}
		open := func(takes time.Duration) *conn {
			return &conn{watchdog: dog, out: &slowOutput{takes: takes, cut: make(chan struct{})}}
		}
		write := func(c *conn, want error) {
			t.Helper()
			begin := time.Now()
			if err := c.Write(frame); err != want {
				t.Errorf("%v after %v, want %v", err, time.Since(begin), want)
			}
			if took := time.Since(begin); want != nil && took != timeout {
				t.Errorf("the write was given up after %v", took)
			}
		}
		busy := open(timeout - time.Millisecond)
		go func() {
			for range 10 { // one after the other, none late
				write(busy, nil)
			}
		}()
		for i := range 4 {
			go func() {
				time.Sleep(time.Duration(i) * 1700 * time.Millisecond)
				write(open(time.Millisecond), nil)
				c := open(time.Hour)
				write(c, os.ErrDeadlineExceeded)
				if err := c.Write(frame); err != os.ErrDeadlineExceeded { // at once
					t.Errorf("afterwards: %v", err)
				}
			}()
		}
		time.Sleep(12 * timeout)
		dog.mu.Lock()
		defer dog.mu.Unlock()
		if len(dog.noted) != 0 {
			t.Errorf("%d quiet streams are still looked at", len(dog.noted))
		}
	})
}
