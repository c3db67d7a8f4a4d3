package session_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestExtremeValuesAreBorne: whatever an application or a transport of somebody else gives
// for a time, nothing panics, and clients come, are served and leave. What is so long that
// it never comes, or none, ends nobody.
func TestExtremeValuesAreBorne(t *testing.T) {
	fields := map[string]func(*push.Options, *session.Client, time.Duration){
		"Client.Interval": func(_ *push.Options, c *session.Client, d time.Duration) { c.Interval = d },
		"Client.Patience": func(_ *push.Options, c *session.Client, d time.Duration) { c.Patience = d },
		"Client.Interval and Patience": func(_ *push.Options, c *session.Client, d time.Duration) {
			c.Interval, c.Patience = d, d
		},
		"Options.Recheck":       func(o *push.Options, _ *session.Client, d time.Duration) { o.Recheck = d },
		"Options.AccessTimeout": func(o *push.Options, _ *session.Client, d time.Duration) { o.AccessTimeout = d },
		"Options.BrokerTimeout": func(o *push.Options, _ *session.Client, d time.Duration) { o.BrokerTimeout = d },
		"Options.DrainWindow":   func(o *push.Options, _ *session.Client, d time.Duration) { o.DrainWindow = d },
		"Limits.Silence":        func(o *push.Options, _ *session.Client, d time.Duration) { o.Limits.Silence = d },
		"Limits.Age":            func(o *push.Options, _ *session.Client, d time.Duration) { o.Limits.Age = d },
		"Identity.Expires": func(_ *push.Options, c *session.Client, d time.Duration) {
			c.Identity.Expires = time.Now().Add(d)
		},
	}
	const century = 100 * 365 * 24 * time.Hour
	for name, set := range fields {
		for _, d := range []time.Duration{
			math.MinInt64, -century, -1, 0, 1, 2, 3, time.Microsecond, time.Millisecond,
			math.MaxUint32 * time.Second, century - 1, century, math.MaxInt64 - 1, math.MaxInt64,
		} {
			t.Run(fmt.Sprintf("%s is %d", name, d), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newConn()
					var o push.Options
					client := session.Client{
						Conn: c, Heartbeat: word("beat"), Interval: time.Hour, Patience: time.Hour,
						Identity: push.Identity{User: "u"},
					}
					set(&o, &client, d)
					w := newWorld(t, nil, o)
					defer w.shutdown()
					client.Format = w.format
					s, err := session.Of(w.hub).Open(client)
					if err != nil {
						t.Fatal(err)
					}
					s.ExpectFirst()
					w.subscribe(s, "", "a")
					s.ExpectInput()
					w.publish("a", "1")
					for range 50 { // some turns of the wheel
						time.Sleep(time.Minute)
						s.Busy()
						s.ExpectInput()
					}
					if ended, reason := c.end(); ended && d > time.Second {
						t.Errorf("ended with %v", reason)
					}
				})
			})
		}
	}
}
