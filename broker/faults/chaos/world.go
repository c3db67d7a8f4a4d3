package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/faults/link"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
)

// world is all that takes part in a run: Redis with a replica and Sentinels, instances, publishers and clients, and the
// links between them.
type world struct {
	// static
	config  config
	started time.Time
	dir     string
	found   *violations
	ledger  *ledger
	topics  []string
	states  []string // topics that are states

	printing sync.Mutex // guards out
	out      io.Writer

	changing   sync.Mutex           // held by who stops or freezes a Redis server, or must not see that happen
	servers    [2]*redistest.Server // the primary first; guarded by changing
	sentinels  *redistest.Sentinels
	linking    sync.Mutex // held by who breaks redisLinks
	redisLinks [parties][]*link.Link
	routes     [parties]map[string]string

	instances   []*process
	clientLinks []*link.Link
	addresses   [][]string // of each instance, by its links

	redis      []redis.UniversalClient
	desk       *push.Hub    // an instance without clients, at which users are revoked
	forged     atomic.Int64 // cursors that were found out
	probers    atomic.Int64 // there have been, of users that are to be revoked
	brokers    []push.Broker
	publishers []*publisher
	clients    []*client

	stop    context.CancelFunc // ends the clients
	running sync.WaitGroup     // the clients
}

const (
	sentinels        = 3
	downAfter        = 3500 * time.Millisecond // longer than Redis is frozen
	failoverPatience = 30 * time.Second
	instances        = 3
	parties          = instances + 1 // who has links to Redis: the instances, and the publishers together
	linksEach        = 4             // of an instance
	clientsEach      = 5             // of a user
	brokers          = 5             // of the publishers
	pollInterval     = 10 * time.Millisecond
	startTimeout     = 60 * time.Second
	defaultHeartbeat = 2 * time.Second
)

// newWorld starts everything but the publishers, and waits until each client follows its topics. What it has started
// by the time of an error is to be closed all the same.
func newWorld(c config, out io.Writer) (*world, error) {
	w := &world{config: c, out: out, started: time.Now(), found: &violations{}}
	for i := range c.topics {
		w.topics = append(w.topics, fmt.Sprintf("topic/%d", i))
	}
	for i := range c.states {
		w.states = append(w.states, fmt.Sprint(statePrefix, i))
	}
	w.ledger = newLedger(w.found, w.topics)
	var err error
	if w.dir, err = os.MkdirTemp("", "chaos-"); err != nil {
		return w, err
	}
	for _, start := range []func() error{w.startRedis, w.startInstances, w.startBrokers, w.startClients} {
		if err := start(); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) startRedis() error {
	var err error
	if w.servers[0], err = redistest.Start(w.dir); err != nil {
		return err
	}
	if w.servers[1], err = redistest.StartReplica(w.dir, w.servers[0]); err != nil {
		return err
	}
	if w.sentinels, err = redistest.StartSentinels(w.dir, sentinels, w.servers[0], downAfter); err != nil {
		return err
	}
	for party := range parties {
		w.routes[party] = map[string]string{}
		for _, server := range w.servers {
			l, err := link.New(server.Addr())
			if err != nil {
				return err
			}
			w.redisLinks[party] = append(w.redisLinks[party], l)
			w.routes[party][server.Addr()] = l.Addr()
		}
	}
	return nil
}

func (w *world) primary() *redistest.Server { return w.servers[0] }
func (w *world) replica() *redistest.Server { return w.servers[1] }

func (w *world) startInstances() error {
	options := w.sentinels.Options()
	for i := range instances {
		p, err := startProcess(w.dir, i,
			"-primary", options.MasterName, "-sentinels", strings.Join(options.SentinelAddrs, ","),
			"-routes", formatRoutes(w.routes[i]), "-heartbeat", w.config.heartbeat.String(), "-client", kinds[i%len(kinds)])
		w.instances = append(w.instances, p)
		if err != nil {
			return err
		}
		var addresses []string
		for range linksEach {
			l, err := link.New(p.address)
			if err != nil {
				return err
			}
			w.clientLinks = append(w.clientLinks, l)
			addresses = append(addresses, "http://"+l.Addr()+"/push/")
		}
		w.addresses = append(w.addresses, addresses)
	}
	return nil
}

// startBrokers makes brokers without a hub, as a service has that only publishes, and the publishers that share them.
func (w *world) startBrokers() error {
	options := w.sentinels.Options()
	for i := range brokers + 1 {
		client := newRedis(kinds[i%len(kinds)], failoverOptions(options.MasterName, options.SentinelAddrs, w.routes[instances]))
		w.redis = append(w.redis, client)
		if i == brokers {
			silent := slog.New(slog.DiscardHandler)
			w.desk = push.New(redisbroker.New(client, redisbroker.Options{Topics: rules, Logger: silent}), push.Options{Authorize: push.Anyone, Logger: silent})
			break
		}
		w.brokers = append(w.brokers, redisbroker.New(client, redisbroker.Options{Topics: rules}))
	}
	interval := time.Duration(float64(w.config.publishers) / w.config.rate * float64(time.Second))
	for i := range w.config.publishers {
		w.publishers = append(w.publishers, w.newPublisher(i, interval))
	}
	return nil
}

func (w *world) newPublisher(number int, interval time.Duration) *publisher {
	return &publisher{
		number:   int32(number),
		broker:   w.brokers[number%len(w.brokers)],
		ledger:   w.ledger,
		topics:   w.topics,
		states:   w.states,
		random:   w.random(publisherStream, number),
		interval: interval,
	}
}

// The streams of random numbers that a seed gives.
const (
	faultStream = iota
	publisherStream
	clientStream
)

func (w *world) random(stream, number int) *rand.Rand {
	return rand.New(rand.NewPCG(w.config.seed, uint64(stream)<<32|uint64(number)))
}

// maxFollowed is how many topics a client follows at most.
const maxFollowed = 5

func (w *world) startClients() error {
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	for i := range w.config.webSockets + w.config.eventStreams {
		c := &client{
			number: i, home: webSockets, away: eventStreams, addresses: w.addresses, random: w.random(clientStream, i),
			user: fmt.Sprintf("user-%d", i/clientsEach), violated: w.found, instance: i % instances, cursors: map[string]string{}, views: map[string]*view{},
		}
		if i >= w.config.webSockets {
			c.home, c.away = c.away, c.home
		}
		for _, t := range c.random.Perm(len(w.topics))[:1+c.random.IntN(min(maxFollowed, len(w.topics)))] {
			topic := w.topics[t]
			c.topics = append(c.topics, topic)
			c.views[topic] = &view{ledger: w.ledger, client: i, topic: topic}
		}
		if len(w.states) > 0 {
			c.followState(w.states[i%len(w.states)])
		}
		w.clients = append(w.clients, c)
		w.running.Go(func() { c.run(ctx) })
	}
	return w.await("clients that follow", startTimeout, (*client).following)
}

// await waits until something holds for all clients.
func (w *world) await(what string, patience time.Duration, holds func(*client) bool) error {
	deadline := time.Now().Add(patience)
	for _, c := range w.clients {
		for !holds(c) {
			if time.Now().After(deadline) {
				return fmt.Errorf("%s: not within %v; %s", what, patience, c.timeline(""))
			}
			time.Sleep(pollInterval)
		}
	}
	return nil
}

// views are what all clients have seen. The clients must have ended.
func (w *world) views() []*view {
	var views []*view
	for _, c := range w.clients {
		for _, v := range c.views {
			views = append(views, v)
		}
	}
	return views
}

// links are all links.
func (w *world) links() []*link.Link {
	return slices.Concat(append(w.redisLinks[:], w.clientLinks)...)
}

// say prints a line with the time since the start.
func (w *world) say(format string, args ...any) {
	at := time.Since(w.started).Round(time.Second)
	w.printing.Lock()
	defer w.printing.Unlock()
	fmt.Fprintf(w.out, "%6v  %s\n", at, fmt.Sprintf(format, args...))
}

// close ends everything. Instances must end cleanly.
func (w *world) close() error {
	var errs []error
	if w.stop != nil {
		w.stop()
		w.running.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if w.desk != nil {
		errs = append(errs, w.desk.Shutdown(ctx))
	}
	for _, b := range w.brokers {
		errs = append(errs, b.Close(ctx))
	}
	for _, client := range w.redis {
		errs = append(errs, client.Close())
	}
	for _, p := range w.instances {
		errs = append(errs, p.stop(syscall.SIGTERM))
	}
	for _, l := range w.links() {
		errs = append(errs, l.Close())
	}
	if w.sentinels != nil {
		errs = append(errs, w.sentinels.Close())
	}
	for _, server := range w.servers {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	if err := errors.Join(errs...); err != nil || len(w.found.list()) > 0 {
		w.say("logs are in %s", w.dir)
		return err
	}
	return os.RemoveAll(w.dir)
}
