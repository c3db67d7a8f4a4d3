package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/docs/benchmarks/fleet"
)

// setup is what a row asks for.
type setup struct {
	on      wire
	clients int
	topics  int // zero: one
	follows int // topics of each client; zero: one
	hubs    int // processes of the server; zero: one
	cursors bool
	deflate bool
	over    fleet.Over
	redis   string // its address, for servers with a broker
	relayed bool   // publications go to the first process, clients to the others, and topics don't wait for each other
}

// trial is a server that runs, and its clients.
type trial struct {
	setup
	server    *server
	processes []*process
	redisPID  int // zero: no Redis
	fleet     *fleet.Fleet
	published int
}

// payloadSize is the size of every publication.
const payloadSize = 128

// open starts a server. It has no clients before connect.
func (w *workshop) open(s *server, c setup) (*trial, error) {
	c.topics, c.follows, c.hubs = max(c.topics, 1), max(c.follows, 1), max(c.hubs, 1)
	t := &trial{setup: c, server: s}
	if c.redis != "" {
		var err error
		if t.redisPID, err = redisPID(c.redis); err != nil {
			return nil, err
		}
	}
	for range c.hubs {
		p, err := w.start(s, c.on, c.flags()...)
		if err != nil {
			t.close()
			return nil, err
		}
		t.processes = append(t.processes, p)
	}
	return t, nil
}

// flags are for the servers in Go.
func (c *setup) flags() (flags []string) {
	if c.over != fleet.TCP {
		flags = append(flags, "-tls")
	}
	if c.deflate {
		flags = append(flags, "-deflate")
	}
	if c.redis != "" {
		flags = append(flags, "-redis", c.redis)
	}
	if c.relayed {
		flags = append(flags, "-parallel")
	}
	return flags
}

func (t *trial) close() {
	if t.fleet != nil {
		t.fleet.Close()
	}
	for _, p := range t.processes {
		p.end()
	}
}

func (t *trial) connect() (err error) {
	o := fleet.Options{
		Clients: t.clients,
		Topics:  t.topics,
		Over:    t.over,
		Payload: payloadSize,
		Request: func(client int, cursor string) []byte {
			return t.server.request(t.on, t.topicsOf(client), cursor, t.deflate)
		},
		Ready:   []byte(t.server.ready),
		Silent:  t.server.silent,
		Ping:    []byte(t.server.ping),
		Pong:    []byte(t.server.pong),
		Cursors: t.cursors,
	}
	if t.on == ws {
		o.Hello = []byte(t.server.hello)
	}
	for _, p := range t.processes {
		o.Ports = append(o.Ports, p.port)
	}
	if t.relayed {
		o.Ports = o.Ports[1:]
	}
	t.fleet, err = fleet.Connect(o)
	return err
}

// topicsOf spreads the topics evenly. A client that follows one topic follows the one that its fleet expects.
func (t *trial) topicsOf(client int) []string {
	topics := make([]string, t.follows)
	for i := range topics {
		topics[i] = topicName((client*t.follows + i) % t.topics)
	}
	return topics
}

func topicName(topic int) string { return fmt.Sprintf("t%d", topic) }

// publish sends publication number of a topic on its way, by one process after the other unless they are relayed.
func (t *trial) publish(topic, number int) error {
	p := t.processes[0]
	if !t.relayed {
		p = t.processes[t.published%len(t.processes)]
	}
	t.published++
	return p.publish(topicName(topic), fleet.Payload(number, payloadSize))
}

var errUnreached = errors.New("publications don't reach all clients")

// tryAll returns when every client has shown that publications reach it, which may be later than its answer.
func (t *trial) tryAll() error {
	for range 100 {
		for topic := range t.topics {
			if err := t.publish(topic, 0); err != nil {
				return err
			}
		}
		for again := time.Now().Add(200 * time.Millisecond); time.Now().Before(again); {
			if t.fleet.AllTried() {
				return nil
			}
			if err := t.fleet.Poll(again); err != nil {
				return err
			}
		}
	}
	return errUnreached
}

// rest lets time pass in which the clients only answer pings.
func (t *trial) rest(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := t.fleet.Poll(end); err != nil {
			return err
		}
	}
	return nil
}

// cpu is that of all processes.
func (t *trial) cpu() (sum time.Duration, err error) {
	for _, p := range t.processes {
		cpu, err := p.cpu()
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// redisCPU is zero without a Redis.
func (t *trial) redisCPU() (time.Duration, error) {
	if t.redisPID == 0 {
		return 0, nil
	}
	return cpuOf(t.redisPID)
}

// rss is that of all processes.
func (t *trial) rss() (sum int, err error) {
	for _, p := range t.processes {
		rss, err := p.rss()
		if err != nil {
			return 0, err
		}
		sum += rss
	}
	return sum, nil
}

// publishing is how long the calls of publish have taken so far, in the servers that tell it; others say zero.
func (t *trial) publishing() (sum time.Duration, err error) {
	if t.server.program != "" {
		return 0, nil
	}
	for _, p := range t.processes {
		spent, err := p.publishing()
		if err != nil {
			return 0, err
		}
		sum += spent
	}
	return sum, nil
}
