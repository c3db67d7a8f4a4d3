package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestSlowTopicHoldsNothingUp has a client ask for busy topics and for one whose question
// takes long, or gets no answer at all: meanwhile nothing waits for the client, which
// would be cut for it, and nothing is missed at the seam.
func TestSlowTopicHoldsNothingUp(t *testing.T) {
	const busy, during = 5, 900
	for name, answers := range map[string]bool{"slow": true, "without an answer": false} {
		for _, resumes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, resumes %v", name, resumes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					w := newWorld(t, nil, push.Options{
						Authorize: func(_ context.Context, a push.Access) error {
							if a.Topic == "slow" {
								<-release
							}
							return nil
						},
						QueueMessages: during,
					})
					defer w.shutdown()
					topics := []string{"slow"}
					for i := range busy {
						topics = append(topics, fmt.Sprint("busy", i))
					}
					publish := func(n int, what string) {
						for i := range n {
							for _, topic := range topics[1:] {
								w.publish(topic, fmt.Sprintf("%s/%s%d;", topic, what, i))
							}
						}
					}
					since := ""
					if resumes {
						since = w.cursor(topics...)
					}
					c := newConn()
					s := w.open(c)
					var announced []session.Followed
					done := make(chan struct{})
					go func() {
						defer close(done)
						var follows []session.Follow
						for _, topic := range topics {
							follows = append(follows, session.Follow{Topic: topic, Since: since})
						}
						s.Subscribe(t.Context(), follows, func(answers []session.Followed) *session.Frame {
							announced = answers
							return hello(answers)
						})
					}()
					synctest.Wait()
					publish(during, "before")
					synctest.Wait()
					if n := s.Waiting(); n != 0 {
						t.Errorf("%d frames wait for the client", n)
					}
					if answers {
						close(release)
					} else {
						defer close(release)
						time.Sleep(5 * time.Second)
					}
					<-done
					for i, a := range announced[1:] {
						if a.Err != nil || !resumes && a.Cursor != w.cursor(topics[i+1]) {
							t.Errorf("announced %+v", a)
						}
					}
					synctest.Wait() // what was missed has been written: a queue full of it would have no room for more
					publish(1, "after")
					synctest.Wait()
					if ended, reason := c.end(); ended {
						t.Fatalf("ended with %v", reason)
					}
					got := c.take()
					want := map[bool]int{false: 0, true: during}[resumes]
					for _, topic := range topics[1:] {
						n, after := strings.Count(got, topic+"/before"), strings.Count(got, topic+"/after0;")
						if n != want || after != 1 {
							t.Errorf("%s: %d messages and %d after them, want %d and 1", topic, n, after, want)
						}
						if resumes && strings.Index(got, topic+"/after0;") < strings.Index(got, fmt.Sprintf("%s/before%d;", topic, during-1)) {
							t.Errorf("%s: out of order", topic)
						}
					}
				})
			})
		}
	}
}
