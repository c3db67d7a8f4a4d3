package fleet

import (
	"errors"
	"fmt"
	"time"
)

// Options says who the clients are.
type Options struct {
	// Ports are where the servers listen on 127.0.0.1; client i goes to Ports[i % len(Ports)].
	Ports []int
	// Clients is how many there are. Client i follows topic i % Topics; zero Topics are one.
	Clients, Topics int
	// Request is the HTTP request of a client, from its cursor if it has one.
	Request func(client int, cursor string) []byte
	// Over is what the connections are made of.
	Over Over
	// Payload is the size of payloads.
	Payload int

	// Hello is a text message that a client sends when it is answered. Ready is part of the text by which it knows
	// that it is there; empty: the header of the answer.
	Hello, Ready []byte
	// Silent: the server answers with the first publication only, so that a client is there when it has asked.
	Silent bool
	// Ping is a text message, or a line of one, that is to be answered with Pong.
	Ping, Pong []byte
	// Cursors: keep the cursor of the last message, for Return.
	Cursors bool
}

// Over is what connections are made of.
type Over string

// TCP is the default, and the only one that is made for many clients.
const (
	TCP   Over = ""
	TLS   Over = "tls"
	HTTP2 Over = "h2"
)

// Fleet is connected clients. It is for one goroutine.
type Fleet struct {
	*Tally
	options Options
	members []member
	lines   lines
	dialed  int
	ready   int
	tried   int
}

// lines are the connections of a fleet, by the number of the client.
type lines interface {
	dial(client, port int, request []byte) error
	// send writes what is small enough to go out at once.
	send(client int, b []byte) error
	// poll waits for something to arrive, until the deadline, and hands on what has. The bytes are its own again
	// afterwards.
	poll(deadline time.Time, take func(client int, b []byte) error) error
	// received is how many bytes the connections have brought so far, as they came over TCP.
	received() int64
	// hangUp closes all connections, close the lines as well.
	hangUp()
	close()
}

var (
	errBroken  = errors.New("a broken payload")
	errTimeout = errors.New("nothing arrived for too long")
)

const (
	// connecting is how many clients may be on their way in at the same time.
	connecting = 256
	// Patience is how long nothing may arrive that is awaited.
	Patience = 20 * time.Second
)

// Connect connects all clients, and returns when each is there.
func Connect(o Options) (*Fleet, error) {
	lines, err := newLines(o)
	if err != nil {
		return nil, err
	}
	o.Topics = max(o.Topics, 1)
	f := &Fleet{Tally: newTally(o.Topics), options: o, members: make([]member, o.Clients), lines: lines}
	for i := range f.members {
		f.members[i] = member{topic: i % o.Topics, next: 1}
		f.followers[i%o.Topics]++
	}
	if err := f.connect(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func newLines(o Options) (lines, error) {
	if o.Over == TCP {
		return newSockets(o.Clients)
	}
	return newStreams(o.Clients, o.Over), nil
}

// Leave closes all connections.
func (f *Fleet) Leave() { f.lines.hangUp() }

// Return connects all clients again after Leave, each with its cursor. What they missed arrives from now on.
func (f *Fleet) Return() error {
	for i := range f.members {
		m := &f.members[i]
		m.decoder, m.ready = decoder{}, false
	}
	f.ready, f.dialed = 0, 0
	return f.connect()
}

// Close ends the fleet.
func (f *Fleet) Close() {
	f.lines.hangUp()
	f.lines.close()
}

// Received is how many bytes of TCP payload have come to all clients so far, with TLS the encrypted ones.
func (f *Fleet) Received() int64 { return f.lines.received() }

// AllTried reports whether each client has got a publication of number 0.
func (f *Fleet) AllTried() bool { return f.tried == len(f.members) }

func (f *Fleet) connect() error {
	for f.ready < len(f.members) {
		for f.dialed < len(f.members) && f.dialed-f.ready < connecting {
			request := f.options.Request(f.dialed, string(f.members[f.dialed].cursor))
			if err := f.lines.dial(f.dialed, f.options.Ports[f.dialed%len(f.options.Ports)], request); err != nil {
				return fmt.Errorf("client %d: %w", f.dialed, err)
			}
			f.dialed++
			if f.options.Silent {
				f.ready++
			}
		}
		if f.options.Silent {
			continue
		}
		before := f.ready
		for deadline := time.Now().Add(Patience); f.ready == before; {
			if err := f.Poll(deadline); err != nil {
				return err
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%w: %d of %d clients are connected", errTimeout, f.ready, len(f.members))
			}
		}
	}
	return nil
}

// Poll takes what arrives, and returns soon after something has, or at the deadline.
func (f *Fleet) Poll(deadline time.Time) error {
	return f.lines.poll(deadline, func(client int, b []byte) error {
		v := visit{&f.members[client], f, client, time.Now()}
		if err := v.receive(b); err != nil {
			return fmt.Errorf("client %d: %w", client, err)
		}
		return nil
	})
}
