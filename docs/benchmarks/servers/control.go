package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// control publishes what comes in lines.
type control struct {
	publish  publish
	parallel bool // each topic from a goroutine of its own, so that topics don't wait for each other

	spent  atomic.Int64 // nanoseconds in publish
	queues map[string]chan []byte
	work   sync.WaitGroup // the goroutines
}

// queued is how many publications of a topic may wait for its goroutine.
const queued = 256

// run returns when the input has ended and everything in it is published.
func (c *control) run(input io.Reader) {
	defer c.end()
	in := bufio.NewReaderSize(input, 1<<20)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		topic, data, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if !ok {
			fmt.Println(c.spent.Load())
			continue
		}
		data = bytes.Clone(data)
		if c.parallel {
			c.queue(string(topic)) <- data
		} else {
			c.send(string(topic), data)
		}
	}
}

func (c *control) send(topic string, data []byte) {
	begin := time.Now()
	c.publish(topic, data)
	c.spent.Add(int64(time.Since(begin)))
}

// queue leads to the goroutine of a topic.
func (c *control) queue(topic string) chan<- []byte {
	if q, ok := c.queues[topic]; ok {
		return q
	}
	if c.queues == nil {
		c.queues = map[string]chan []byte{}
	}
	q := make(chan []byte, queued)
	c.queues[topic] = q
	c.work.Go(func() {
		for data := range q {
			c.send(topic, data)
		}
	})
	return q
}

func (c *control) end() {
	for _, q := range c.queues {
		close(q)
	}
	c.work.Wait()
}
