package push

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/broker"
)

const (
	minLearnBackoff = 50 * time.Millisecond
	maxLearnBackoff = time.Second
	maxSlowBackoff  = 30 * time.Second // where only time or an operator can help
)

// Break says that something was missed, so all is read anew; see [Receiver].
func (c *control) Break(broker.Gap) { c.learnAnew() }

// learnAnew has all that is stored read, and until then nothing is known.
func (c *control) learnAnew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missed++
	c.known.Store(false)
	c.startLearning()
}

// startLearning sees to it that learn runs. Called with c.mu held.
func (c *control) startLearning() {
	if !c.learning && !c.isStopped() {
		c.learning = true
		c.hub.work.Go(c.learn)
	}
}

// learn tries until all is known here, and the store has all that is known.
func (c *control) learn() {
	backoff := minLearnBackoff
	var logged time.Time
	for {
		missed := c.begin()
		stored, err := c.read()
		most, failure := maxLearnBackoff, "push: what was revoked can't be read"
		if c.learned(err == nil, missed) {
			err = c.putBack(stored)
			most, failure = maxSlowBackoff, "push: what was revoked is lost in the store, and can't be stored again"
		}
		if c.done(err == nil, missed) {
			return
		}
		if err == nil {
			continue // a gap came meanwhile
		}
		if errors.Is(err, errTooManyRevocations) {
			most = maxSlowBackoff
		}
		if time.Since(logged) >= time.Minute {
			logged = time.Now()
			c.hub.options.Logger.Warn(failure, "error", err)
		}
		c.pause(backoff)
		backoff = min(2*backoff, most)
	}
}

// pause waits for a time, unless stop is called.
func (c *control) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.stopped:
	}
}

// begin begins a try.
func (c *control) begin() (missed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missed
}

// learned ends a try to read, and reports whether all is known now.
func (c *control) learned(ok bool, missed int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok = ok && missed == c.missed
	if ok {
		c.known.Store(true)
	}
	close(c.tried)
	c.tried = make(chan struct{})
	return ok
}

// done reports whether there is nothing more to learn, or nobody to learn it.
func (c *control) done(ok bool, missed int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learning = !(ok && missed == c.missed) && !c.isStopped()
	return !c.learning
}

// read follows the topic, if it isn't followed yet, and then reads all that is
// stored.
func (c *control) read() (map[string]broker.Stored, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.hub.options.BrokerTimeout)
	defer cancel()
	if err := c.subscribe(ctx); err != nil {
		return nil, err
	}
	stored, err := c.store.All(ctx, revocationSet)
	if err != nil {
		return nil, err
	}
	for _, v := range stored {
		err := c.learnOf(v)
		if errors.Is(err, errTooManyRevocations) {
			return nil, err
		}
		if err != nil {
			c.hub.options.Logger.Error("push: a stored revocation can't be read", "error", err)
		}
	}
	c.enforce()
	return stored, nil
}

// putBack stores what the store has lost, or has only as it was before, after a failover
// or from an old copy of its data, and this instance knows better. Then all instances
// read anew: some may have believed the store.
func (c *control) putBack(stored map[string]broker.Stored) error {
	put := false
	for _, d := range c.table.all() {
		lasts := d.lasts()
		key, _, err := d.text()
		if there, ok := stored[key]; err != nil || lasts < time.Second || ok && there.Version >= d.version() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.hub.options.BrokerTimeout)
		_, there, err := c.put(ctx, d, lasts)
		cancel()
		if err != nil {
			return err
		}
		put = put || there == nil
	}
	if !put {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.hub.options.BrokerTimeout)
	defer cancel()
	return c.tell(ctx, putBackEvent, nil)
}
