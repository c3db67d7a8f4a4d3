package session_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestSilentClientIsGivenUp: a client that is waited for has so long to say something.
func TestSilentClientIsGivenUp(t *testing.T) {
	const patience = 35 * time.Second
	tests := []struct {
		name   string
		awaits []time.Duration // when the client was heard and is waited for anew
		busy   time.Duration   // when something is begun that takes long; 0 never
		ends   time.Duration   // 0: it doesn't, in 5 minutes
	}{
		{"says nothing", []time.Duration{0}, 0, patience},
		{"says something twice", []time.Duration{0, 20 * time.Second, 40 * time.Second}, 0, 40*time.Second + patience},
		{"isn't waited for", nil, 0, 0},
		{"asks for something that takes long", []time.Duration{0}, 30 * time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{})
				defer w.shutdown()
				c := newConn()
				s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Patience: patience})
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				for _, at := range tt.awaits {
					time.Sleep(time.Until(begin.Add(at)))
					s.ExpectInput()
				}
				if tt.busy > 0 {
					time.Sleep(time.Until(begin.Add(tt.busy)))
					s.Busy()
				}
				select {
				case <-s.Done():
				case <-time.After(time.Until(begin.Add(5 * time.Minute))):
				}
				ended, reason := c.end()
				if ended != (tt.ends > 0) || ended && reason.Code != push.CodeTimeout {
					t.Fatalf("ended %v: %v", ended, reason)
				}
				if late := time.Since(begin) - tt.ends; ended && (late < 0 || late > time.Second) {
					t.Errorf("ended after %v", time.Since(begin))
				}
			})
		})
	}
}

// TestTimersOfManySessions: each session's times are kept, however many share the
// wheel and however far away they are.
func TestTimersOfManySessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		begin := time.Now()
		for i := range 300 {
			lives := time.Duration(i) * 1300 * time.Millisecond
			s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: newConn(), Identity: push.Identity{Expires: begin.Add(lives)}})
			if err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				s.Close(nil)
				continue
			}
			go func() {
				<-s.Done()
				if late := time.Since(begin) - lives - 10*time.Second; late < 0 || late > 200*time.Millisecond {
					t.Error(fmt.Sprint("session ", i, " ended ", late, " late"))
				}
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := w.hub.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// TestSlowReaderIsNotSilent: who is still being written to may not have come to the
// heartbeat yet that it is to answer.
func TestSlowReaderIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{})
		defer w.shutdown()
		c := stalledConn()
		c.timeout = time.Hour
		s, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: c, Patience: 35 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		s.ExpectInput()
		s.Send(word("long"))
		time.Sleep(10 * time.Minute)
		if ended, reason := c.end(); ended {
			t.Fatalf("ended with %v while it was written to", reason)
		}
		s.Send(word("more"))
		c.Abort() // which makes it read on
		synctest.Wait()
		if got := c.take(); got != "[long more]" {
			t.Errorf("when it reads on it gets %s", got)
		}
		time.Sleep(80 * time.Second)
		if ended, _ := c.end(); !ended {
			t.Error("it says nothing, and is not given up")
		}
	})
}
