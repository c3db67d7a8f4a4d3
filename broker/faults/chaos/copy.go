package main

import (
	"errors"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/broker/redistest"
)

// restartFromCopy kills the primary and starts it with a copy of its data that was made some seconds ago, before the
// Sentinels do anything about it. If they are faster, it comes back as a replica.
func (w *world) restartFromCopy(d *draws) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	server, other := w.primary(), w.replica()
	if err := errors.Join(other.AwaitSync(server), server.Save()); err != nil {
		return err
	}
	time.Sleep(d.duration(time.Second, 4*time.Second))
	w.ledger.excuse(ends)
	if err := errors.Join(server.Stop(syscall.SIGKILL), server.Recall(), server.Restart("--replicaof", "no one")); err != nil {
		return err
	}
	if w.sentinels.Primary() != server.Addr() {
		w.say("the Sentinels were faster")
		w.servers = [2]*redistest.Server{other, server}
		return server.AwaitSync(other)
	}
	return other.AwaitSync(server)
}
