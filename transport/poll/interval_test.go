package poll_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// TestIntervalHoldsForPolls changes a state a hundred times a second, for clients that poll
// all the time: they are told no more often than the rule's Interval says, together or alone,
// and the last value comes within an Interval.
func TestIntervalHoldsForPolls(t *testing.T) {
	const (
		interval = time.Second
		changes  = 1000
		most     = 12 // answers in ten seconds: the snapshot, the first change, and one each second
	)
	rules := membroker.Options{Topics: []push.TopicRule{{Pattern: "s", State: true, Interval: interval}}}
	for _, tt := range []struct {
		name  string
		query string
		pause time.Duration // between an answer and the next poll
	}{
		{"at once", "state=s", 0},
		{"after a pause", "state=s", 15 * time.Millisecond},
		{"after a pause longer than a second", "state=s", 1005 * time.Millisecond},
		{"without waiting", "state=s&wait=0", 35 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, push.Options{}, func(s *site) {
				began := time.Now()
				ended := began.Add(changes * 10 * time.Millisecond)
				var wait sync.WaitGroup
				for client := range 3 {
					wait.Go(func() {
						answers, value, cursor := 0, "", ""
						for value != fmt.Sprint(changes-1) {
							p := s.poll(tt.query, cursor)
							if p.err != nil {
								t.Errorf("client %d: %v", client, p.err)
								return
							}
							for _, f := range p.Frames {
								for _, change := range f.Changes {
									value = string(change.Data)
								}
							}
							if len(p.Frames) > 0 && time.Now().Before(ended) {
								answers++
							}
							cursor = p.Cursor
							if late := time.Since(ended); late > interval+tt.pause { //clock:virtual
								t.Errorf("client %d has %q %v after the end", client, value, late)
								return
							}
							time.Sleep(tt.pause)
						}
						if answers > most || answers < 5 {
							t.Errorf("client %d got %d answers in %v", client, answers, ended.Sub(began))
						}
					})
				}
				for i := range changes {
					m := push.Message{Topic: "s", Key: "k", Data: fmt.Append(nil, i), Encoding: push.EncodingJSON}
					if _, err := s.hub.Set(t.Context(), m); err != nil {
						t.Error(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				wait.Wait()
			}, rules)
		})
	}
}
