package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestFirstWord: a client that follows nothing has to say something.
func TestFirstWord(t *testing.T) {
	tests := []struct {
		name    string
		silence time.Duration
		says    time.Duration // when it says something; 0: never
		beats   string        // what it has got after 5 s
		ends    time.Duration // when it ends, if it says no more
	}{
		{"says nothing", 0, 0, "[hello beat]", 5 * time.Second},
		{"speaks at once", 0, time.Second, "[hello]", 36 * time.Second},
		{"answers the ping", 0, 3 * time.Second, "[hello beat]", 38 * time.Second},
		{"has longer", 20 * time.Second, 0, "[hello]", 20 * time.Second},
		{"has as long as any", time.Hour, 0, "[hello]", 35 * time.Second},
		{"has no limit", -1, 0, "[hello]", 35 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil, push.Options{Limits: push.Limits{Silence: tt.silence}})
				defer w.shutdown()
				c := newConn()
				s, err := session.Of(w.hub).Open(session.Client{
					Format: w.format, Conn: c, Heartbeat: word("beat"), Interval: 25 * time.Second, Patience: 35 * time.Second,
				})
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				s.Subscribe(t.Context(), nil, hello)
				s.ExpectFirst()
				if tt.says > 0 {
					time.Sleep(tt.says)
					if err := s.CountFrame(new(session.Meter)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Until(begin.Add(5 * time.Second)))
				if got := c.take(); got != tt.beats {
					t.Errorf("got %s, want %s", got, tt.beats)
				}
				<-s.Done()
				if late := time.Since(begin) - tt.ends; late < 0 || late > 200*time.Millisecond {
					t.Errorf("ended after %v, want %v", time.Since(begin), tt.ends)
				}
				if _, reason := c.end(); reason == nil || reason.Code != push.CodeTimeout {
					t.Errorf("ended with %v", reason)
				}
			})
		})
	}
}

// TestAge: old connections are asked to come back, one after the other, and have got
// before what was theirs.
func TestAge(t *testing.T) {
	for _, tt := range []struct{ age, most time.Duration }{{0, 24 * time.Hour}, {10 * time.Hour, 10 * time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil, push.Options{Limits: push.Limits{Age: tt.age}})
			defer w.shutdown()
			begin := time.Now()
			ends := make(chan time.Duration)
			const clients = 300
			for range clients {
				c := newConn()
				s := w.open(c)
				w.subscribe(s, "", "a")
				go func() {
					<-s.Done()
					if got := c.take(); got != "[hello m reconnect]" {
						t.Errorf("got %s", got)
					}
					if _, reason := c.end(); reason == nil || reason.Code != push.CodeDraining {
						t.Errorf("ended with %v", reason)
					}
					ends <- time.Since(begin)
				}()
			}
			w.publish("a", "m")
			first, last := <-ends, time.Duration(0)
			for range clients - 1 {
				last = <-ends
			}
			least := tt.most - tt.most/10
			if first < least || last > tt.most+2*time.Second || last-first < tt.most/20 {
				t.Errorf("ended after %v to %v", first, last)
			}
		})
	}
}

// TestNoAge: if so wished a connection may live for ever.
func TestNoAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, push.Options{Limits: push.Limits{Age: -1}})
		defer w.shutdown()
		c := newConn()
		s := w.open(c)
		time.Sleep(100 * time.Hour)
		if ended, reason := c.end(); ended {
			t.Errorf("ended with %v", reason)
		}
		s.Close(nil)

		beating := newConn()
		b, err := session.Of(w.hub).Open(session.Client{Format: w.format, Conn: beating, Heartbeat: word("ping"), Interval: time.Hour, Patience: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		w.subscribe(b, "", "a") // from now on there are heartbeats, and the wheel looks at it
		time.Sleep(10 * time.Hour)
		if ended, reason := beating.end(); ended {
			t.Errorf("with heartbeats, ended with %v", reason)
		}
		b.Close(nil)
	})
}
