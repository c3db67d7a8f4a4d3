package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/broker"
)

// config says what a run is like.
type config struct {
	lasts        time.Duration
	period       time.Duration // between two draws of faults
	seed         uint64
	webSockets   int // clients
	eventStreams int
	topics       int
	states       int
	publishers   int
	rate         float64 // messages a second, of all publishers
	heartbeat    time.Duration
	only         string // kinds of faults, by their numbers with commas between; empty for all
}

const (
	// wholeWithin is how long after the end of all faults each client may take to be whole again.
	wholeWithin = 60 * time.Second
	// firstFault is how late in its period a fault may begin.
	firstFault = 2 * time.Second
	// leftWithin is how long goroutines may take to end after everything was closed.
	leftWithin = 10 * time.Second
)

// ofToxics are goroutines of toxiproxy, some of which wait for ever for the reader of a connection that was reset.
var ofToxics = goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run")

// run lets clients and publishers work for a while amid faults, heals everything, and judges what clients have got.
func run(ctx context.Context, c config, out io.Writer) (*report, error) {
	others := []goleak.Option{
		goleak.IgnoreCurrent(),
		ofToxics,
	}
	w, err := newWorld(c, out)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	r := newReport(c, w)
	w.say("all clients follow; seed %d", c.seed)
	w.torment(ctx, r)
	w.say("no more faults")
	if err := w.settle(); err != nil {
		w.found.add(broken, noClient, "", "%v", err)
	}
	w.stop()
	w.running.Wait()
	r.verdict, r.states = w.ledger.judge(w.views()), w.judgeStates()
	if err := w.close(); err != nil {
		w.found.add(broken, noClient, "", "%v", err)
	}
	deadline := time.Now().Add(leftWithin)
	for r.left = goleak.Find(others...); r.left != nil && time.Now().Before(deadline); {
		r.left = goleak.Find(others...)
	}
	return r, nil
}

// torment publishes and fires faults for as long as the run lasts.
func (w *world) torment(ctx context.Context, r *report) {
	ctx, cancel := context.WithTimeout(ctx, w.config.lasts)
	defer cancel()
	var publishing sync.WaitGroup
	for _, p := range w.publishers {
		publishing.Go(func() { p.run(ctx) })
	}
	defer publishing.Wait()
	s := schedule{random: w.random(faultStream, 0), kinds: r.kinds()}
	prober := w.newPublisher(w.config.publishers, time.Second)
	for number := 1; ctx.Err() == nil; number++ {
		begin := time.Now()
		drawn := s.next()
		w.fire(drawn, number, r)
		// Faults may have taken longer than their period.
		end := begin.Add(w.config.period)
		if least := time.Now().Add(w.config.period / 4); least.After(end) {
			end = least
		}
		probing, done := context.WithDeadline(ctx, end)
		whole := w.probe(probing, prober)
		<-probing.Done()
		done()
		if ctx.Err() == nil || whole != never {
			r.measured(drawn, whole)
		}
	}
}

// fire fires a period's faults, and returns when all of them are over.
func (w *world) fire(drawn []*fault, period int, r *report) {
	links := w.random(faultStream, period).Perm(len(w.clientLinks))
	var firing sync.WaitGroup
	for i, f := range drawn {
		d := &draws{random: w.random(faultStream, period<<8|i), link: w.clientLinks[links[i]]}
		firing.Go(func() {
			time.Sleep(d.duration(0, firstFault))
			w.say("%s", f.name)
			if err := f.fire(w, d); err != nil {
				w.found.add(broken, noClient, "", "%s: %v", f.name, err)
				w.say("%s: %v", f.name, err)
			}
			r.fired(f)
		})
	}
	firing.Wait()
}

// never is the time until something that didn't come.
const never time.Duration = math.MaxInt64

// probe publishes a message to each topic, and tells how long it took until all clients had got that far; never if the
// context ended before that.
func (w *world) probe(ctx context.Context, p *publisher) time.Duration {
	begin := time.Now()
	for _, topic := range w.topics {
		head, ok := p.publish(ctx, topic, true)
		for _, c := range w.clients {
			for ok && ctx.Err() == nil && !c.at(topic, head) {
				time.Sleep(pollInterval)
			}
		}
	}
	w.probeStates(ctx, p)
	if ctx.Err() != nil {
		return never
	}
	return time.Since(begin)
}

// settle heals all links, publishes markers and waits until each client has come to the end of its topics. Each broker
// publishes a marker to each topic: whoever remembers something that Redis has forgotten says so with it.
func (w *world) settle() error {
	for _, l := range w.links() {
		if err := l.Heal(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), wholeWithin)
	defer cancel()
	for i := range w.brokers {
		p := w.newPublisher(w.config.publishers+1+i, time.Second)
		for _, topic := range w.topics {
			if _, ok := p.publish(ctx, topic, true); !ok {
				return fmt.Errorf("no marker could be published to %s", topic)
			}
		}
	}
	for {
		heads, err := w.heads(ctx)
		if err != nil {
			return fmt.Errorf("reading the end of topics: %w", err)
		}
		behind, topic := w.behind(heads)
		if behind == nil {
			break
		}
		if ctx.Err() != nil {
			w.found.add(lost, behind.number, topic, "not whole within %v; the topic is at %s", wholeWithin, format(heads[topic]))
			return fmt.Errorf("clients weren't whole within %v", wholeWithin)
		}
		time.Sleep(pollInterval)
	}
	return errors.Join(w.compare(ctx), w.settleStates(ctx))
}

// heads tells where topics are.
func (w *world) heads(ctx context.Context) (map[string]broker.Position, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	heads := map[string]broker.Position{}
	for _, topic := range w.topics {
		page, err := w.brokers[0].Recent(ctx, topic, broker.Limit{})
		if err != nil {
			return nil, err
		}
		heads[topic] = page.Head
	}
	return heads, nil
}

// behind gives a client that isn't at the end of one of its topics.
func (w *world) behind(heads map[string]broker.Position) (*client, string) {
	for _, c := range w.clients {
		for _, topic := range c.topics {
			if !c.at(topic, heads[topic]) {
				return c, topic
			}
		}
	}
	return nil, ""
}

// compare reads back what Redis has of all topics.
func (w *world) compare(ctx context.Context) error {
	for _, topic := range w.topics {
		page, err := w.brokers[0].Recent(ctx, topic, broker.Limit{Messages: maxReplay})
		if err != nil {
			return fmt.Errorf("reading back %s: %w", topic, err)
		}
		for _, m := range page.Messages {
			w.ledger.readBack(m)
		}
	}
	return nil
}
