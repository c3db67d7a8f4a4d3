package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestControlPublishesAll that is in its input before it returns, each topic in order.
func TestControlPublishesAll(t *testing.T) {
	var lines strings.Builder
	want := map[string][]string{}
	for i := range 3000 {
		topic, data := fmt.Sprintf("t%d", i%7), fmt.Sprintf("message %d", i)
		fmt.Fprintf(&lines, "%s %s\n", topic, data)
		want[topic] = append(want[topic], data)
	}
	for _, parallel := range []bool{false, true} {
		var mu sync.Mutex
		got := map[string][]string{}
		c := control{parallel: parallel, publish: func(topic string, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			got[topic] = append(got[topic], string(data))
		}}
		c.run(strings.NewReader(lines.String()))
		for topic := range want {
			if !slices.Equal(got[topic], want[topic]) {
				t.Errorf("parallel %t: %s got %d of %d, or not in order", parallel, topic, len(got[topic]), len(want[topic]))
			}
		}
		if c.spent.Load() <= 0 {
			t.Errorf("parallel %t: no time was counted", parallel)
		}
	}
}

// TestParallelTopicsDoNotWait for each other: the first can't go on before the second.
func TestParallelTopicsDoNotWait(t *testing.T) {
	second := make(chan struct{})
	c := control{parallel: true, publish: func(topic string, _ []byte) {
		if topic == "b" {
			close(second)
		}
		<-second
	}}
	c.run(strings.NewReader("a 1\nb 1\n"))
}
