package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestResumesAfterTheServerWasKilled has a server whose listener and connections are
// closed, and another at the same address that shares its broker.
func TestResumesAfterTheServerWasKilled(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		b := membroker.New()
		i := serveOn(t, shared{b}, "", push.Options{}, nil)
		address := i.address()
		c := connect(t, i.url(), Options{Transport: way})
		first, second := follow(t, c, "a"), follow(t, c, "b")
		n := 0
		send := func() {
			n++
			i.publish("a", fmt.Sprint(n))
			i.publish("b", fmt.Sprint(-n))
		}
		for range 5 {
			send()
			i.server.CloseClientConnections() // all that the server still knows
			_ = i.server.Listener.Close()
			send() // while nobody can connect
			i.shutDown()
			i = serveOn(t, shared{b}, address, push.Options{}, nil)
			send()
		}
		for k := 1; k <= n; k++ {
			expect(t, first, fmt.Sprint(k))
			expect(t, second, fmt.Sprint(-k))
		}
		// Nothing came twice.
		i.publish("a", "last")
		i.publish("b", "last")
		expect(t, first, "last")
		expect(t, second, "last")
	})
}

// balancer sends each connection to the next of its instances.
type balancer struct {
	instances []*instance

	mu    sync.Mutex
	open  []net.Conn
	dials int
}

func (b *balancer) dial(network string) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	conn, err := net.Dial(network, b.instances[b.dials%len(b.instances)].address())
	b.dials++
	if err == nil {
		b.open = append(b.open, conn)
	}
	return conn, err
}

// cut cuts all connections that there are.
func (b *balancer) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.open {
		_ = conn.Close()
	}
	b.open = nil
}

func (b *balancer) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials
}

// TestResumesOnAnotherInstance has a balancer that sends each connection to the other of
// two instances, and cuts those that there are.
func TestResumesOnAnotherInstance(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		b := membroker.New()
		instances := []*instance{serveOn(t, shared{b}, "", push.Options{}, nil), serveOn(t, shared{b}, "", push.Options{}, nil)}
		balancer := &balancer{instances: instances}
		c := connect(t, "http://balancer.example/push", Options{Transport: way, HTTPClient: clientOver(balancer.dial)})
		s := follow(t, c, "a")
		for k := range 200 {
			instances[k%2].publish("a", fmt.Sprint(k))
			switch k % 20 {
			case 3:
				balancer.cut() // with messages on their way
			case 19:
				for n := k - 19; n <= k; n++ {
					expect(t, s, fmt.Sprint(n))
				}
			}
		}
		if n := balancer.connections(); n < 5 {
			t.Errorf("only %d connections", n)
		}
	})
}

// TestShutdownSendsTheClientElsewhere has no client that misses anything or sees an error.
func TestShutdownSendsTheClientElsewhere(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		b := membroker.New()
		i := serveOn(t, shared{b}, "", push.Options{}, nil)
		address := i.address()
		c := connect(t, i.url(), Options{Transport: way})
		s := follow(t, c, "a")
		i.publish("a", "1")
		i.shutDown()
		i = serveOn(t, shared{b}, address, push.Options{}, nil)
		i.publish("a", "2")
		expect(t, s, "1", "2")
	})
}

// TestSlowCallerLosesNothing has a caller that takes nothing until far more was published
// than the client buffers, and than the server does.
func TestSlowCallerLosesNothing(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		const messages = 500
		i := serve(t, "", push.Options{QueueBytes: 64 << 10, ReplayMessages: 1000, ReplayBytes: 4 << 20}, nil)
		c := connect(t, i.url(), Options{Transport: way, Buffer: 4 << 10})
		s := follow(t, c, "a")
		data := make([]byte, 2000)
		for k := range data {
			data[k] = 'x'
		}
		for k := range messages {
			i.publish("a", fmt.Sprintf("%d %s", k, data))
		}
		const limit = 4 << 10
		waiting := func() (bytes int) {
			s.queue.mu.Lock()
			defer s.queue.mu.Unlock()
			return s.queue.bytes
		}
		testaid.Eventually(t, "the buffer is full", func() bool { return waiting() > limit-len(data)-2*eventSize-200 })
		if n := waiting(); n > limit {
			t.Errorf("%d bytes wait", n)
		}
		for k := range messages {
			expect(t, s, fmt.Sprintf("%d %s", k, data))
		}
	})
}

// clientOver connects by a function, whatever the address.
func clientOver(dial func(network string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, network, _ string) (net.Conn, error) { return dial(network) }, DisableKeepAlives: true}}
}
