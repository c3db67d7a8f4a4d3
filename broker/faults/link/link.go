// Package link is a connection that can be broken on purpose: a TCP proxy on 127.0.0.1 in front of one address.
package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link passes on what it gets, until told otherwise. Its faults add up, and last until Heal. Its methods are for one
// goroutine at a time.
type Link struct {
	proxy *toxiproxy.Proxy
}

const (
	// Ports lie below those that systems take for outgoing connections, so that a link that was down finds its own free.
	firstPort = 5_000
	ports     = 5_000
	attempts  = 50
)

// server is what a toxiproxy.Proxy belongs to. It doesn't listen.
var server = func() *toxiproxy.ApiServer {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics don't ask for their logger
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}()

// New opens a link to an address.
func New(upstream string) (*Link, error) {
	var err error
	for range attempts {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		l := &Link{proxy: toxiproxy.NewProxy(server, addr, addr, upstream)}
		if err = l.proxy.Start(); err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, fmt.Errorf("link: %w", err)
}

// Addr is where to connect to.
func (l *Link) Addr() string { return l.proxy.Name }

// Down cuts all connections and refuses new ones.
func (l *Link) Down() { l.proxy.Stop() }

// Up takes connections again, after Down.
func (l *Link) Up() error {
	if err := l.proxy.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("link: %w", err)
	}
	return nil
}

// Cut cuts all connections and takes new ones at once.
func (l *Link) Cut() error {
	l.Down()
	return l.Up()
}

// To cuts all connections and leads new ones to another address.
func (l *Link) To(upstream string) error {
	to := &toxiproxy.Proxy{Listen: l.proxy.Listen, Upstream: upstream, Enabled: true}
	if err := l.proxy.Update(to); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return nil
}

// Reset lets each request through and ends the connection in place of the answer, as soon as there is one.
func (l *Link) Reset() error { return l.add("reset_peer", "downstream", nil) }

// Stall keeps all connections open, takes what is sent, and lets none of it arrive, in both directions.
func (l *Link) Stall() error {
	return errors.Join(l.add("timeout", "upstream", nil), l.add("timeout", "downstream", nil))
}

// Mute lets requests through and no answers; the connections stay open.
func (l *Link) Mute() error { return l.add("timeout", "downstream", nil) }

// Latency delays the answers, by d more or less jitter.
func (l *Link) Latency(d, jitter time.Duration) error {
	return l.add("latency", "downstream", map[string]int64{"latency": d.Milliseconds(), "jitter": jitter.Milliseconds()})
}

// Slow lets so many kilobytes of answers through in a second.
func (l *Link) Slow(kilobytes int64) error {
	return l.add("bandwidth", "downstream", map[string]int64{"rate": kilobytes})
}

// Heal undoes all faults. Connections from which something was withheld are closed.
func (l *Link) Heal() error {
	l.proxy.Toxics.ResetToxics(context.Background())
	return l.Up()
}

// Close ends the link and its connections.
func (l *Link) Close() error {
	l.proxy.Stop()
	l.proxy.Toxics.ResetToxics(context.Background())
	return nil
}

// add adds a toxic, which replaces one of its kind.
func (l *Link) add(kind, direction string, attributes map[string]int64) error {
	name := kind + "_" + direction
	if l.proxy.Toxics.GetToxic(name) != nil {
		if attributes == nil {
			return nil // it would be the same; and to remove it closes connections
		}
		// To update it would be a data race in toxiproxy.
		if err := l.proxy.Toxics.RemoveToxic(context.Background(), name); err != nil {
			return fmt.Errorf("link: %s: %w", kind, err)
		}
	}
	var fields []string
	for field, value := range attributes {
		fields = append(fields, fmt.Sprintf("%q:%d", field, value))
	}
	toxic := fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":{%s}}`, kind, direction, strings.Join(fields, ","))
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fmt.Errorf("link: %s: %w", kind, err)
	}
	return nil
}
