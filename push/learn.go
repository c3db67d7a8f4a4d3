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

// relearn has all that is stored read, and until then nothing is known.
func (r *revoker) relearn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed++
	r.known.Store(false)
	r.startLearning()
}

// startLearning sees to it that learn runs. Called with r.mu held.
func (r *revoker) startLearning() {
	if !r.learning && !r.isStopped() {
		r.learning = true
		r.hub.work.Go(r.learn)
	}
}

// learn tries until all is known here, and the store has all that is known.
func (r *revoker) learn() {
	backoff := minLearnBackoff
	var logged time.Time
	for {
		missed := r.begin()
		stored, err := r.read()
		most, failure := maxLearnBackoff, "push: what was revoked can't be read"
		if r.learned(err == nil, missed) {
			err = r.putBack(stored)
			most, failure = maxSlowBackoff, "push: what was revoked is lost in the store, and can't be stored again"
		}
		if r.done(err == nil, missed) {
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
			r.hub.options.Logger.Warn(failure, "error", err)
		}
		r.pause(backoff)
		backoff = min(2*backoff, most)
	}
}

// pause waits for a time, unless stop is called.
func (r *revoker) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.stopped:
	}
}

// begin begins a try.
func (r *revoker) begin() (missed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missed
}

// learned ends a try to read, and reports whether all is known now.
func (r *revoker) learned(ok bool, missed int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok = ok && missed == r.missed
	if ok {
		r.known.Store(true)
	}
	close(r.tried)
	r.tried = make(chan struct{})
	return ok
}

// done reports whether there is nothing more to learn, or nobody to learn it.
func (r *revoker) done(ok bool, missed int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learning = !(ok && missed == r.missed) && !r.isStopped()
	return !r.learning
}

// read makes the bus begin, if it hasn't yet, and then reads all that is stored.
func (r *revoker) read() (map[string]broker.Stored, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.hub.options.BrokerTimeout)
	defer cancel()
	if err := r.hub.bus.begin(ctx); err != nil {
		return nil, err
	}
	stored, err := r.store.All(ctx, revocationSet)
	if err != nil {
		return nil, err
	}
	for _, v := range stored {
		err := r.learnOf(v)
		if errors.Is(err, errTooManyRevocations) {
			return nil, err
		}
		if err != nil {
			r.hub.options.Logger.Error("push: a stored revocation can't be read", "error", err)
		}
	}
	r.enforce()
	return stored, nil
}

// putBack stores what the store has lost, or has only as it was before, after a failover
// or from an old copy of its data, and this instance knows better. Then all instances
// read anew: some may have believed the store.
func (r *revoker) putBack(stored map[string]broker.Stored) error {
	put := false
	for _, d := range r.table.All() {
		lasts := d.Left()
		key, _, err := d.Text()
		if there, ok := stored[key]; err != nil || lasts < time.Second || ok && there.Version >= d.Version() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), r.hub.options.BrokerTimeout)
		_, there, err := r.put(ctx, d, lasts)
		cancel()
		if err != nil {
			return err
		}
		put = put || there == nil
	}
	if !put {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.hub.options.BrokerTimeout)
	defer cancel()
	return r.hub.bus.tell(ctx, putBackEvent, nil)
}
