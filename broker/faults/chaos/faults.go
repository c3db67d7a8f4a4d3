package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/faults/link"
	"github.com/tidewire/tidewire/broker/redistest"
)

// fault is one kind of fault. Firing it does it and undoes it, and returns when all is as before.
type fault struct {
	name string
	fire func(w *world, d *draws) error
	// redis faults break what a steady one needs: they don't come together in one period.
	redis, steady bool
	// exclusive faults don't come together in one period: they change which Redis is the primary.
	exclusive bool
}

// draws is what one fault of a period breaks, and how.
type draws struct {
	random *rand.Rand
	link   *link.Link // of clients; no other fault of the period has it
}

// duration gives a time from one bound up to the other.
func (d *draws) duration(least, most time.Duration) time.Duration {
	return least + time.Duration(d.random.Int64N(int64(most-least)))
}

const (
	cutLasts     = 2 * time.Second
	stallLasts   = 6 * time.Second
	slowLasts    = 5 * time.Second
	slowRate     = 1 // kilobytes a second
	resets       = 3
	freezeLasts  = 2 * time.Second
	latency      = 200 * time.Millisecond
	latencyLasts = 4 * time.Second
	muteLasts    = 4 * time.Second // longer than a publisher waits
	kills        = 3
)

// faults are the kinds of these numbers, with commas between, or all.
func faults(only string) []*fault {
	all := []*fault{
		{name: "F1 a client link is cut for 2 s", fire: (*world).cutLink},
		{name: "F2 connections are reset", fire: (*world).resetLink},
		{name: "F3 a client link is half open", fire: (*world).stallLink},
		{name: "F15 a client link is slow", fire: (*world).slowLink},
		{name: "F24 SIGKILL of an instance", fire: (*world).killInstance},
		{name: "F26 SIGTERM of an instance", fire: (*world).endInstance},
		{name: "F36 answers of Redis are lost", fire: (*world).muteRedis, redis: true},
		{name: "F45 failover to a lagging replica", fire: (*world).failOverLagging, redis: true, exclusive: true},
		{name: "F46 failover to a replica in sync", fire: (*world).failOver, redis: true, exclusive: true},
		{name: "F50 FLUSHALL, or DEL of a key", fire: (*world).flush, redis: true},
		{name: "F51 CLIENT KILL TYPE pubsub", fire: (*world).killPubSub, redis: true},
		{name: "F55 Redis answers 200 ms late", fire: (*world).delayRedis, redis: true},
		{name: "F56 Redis is frozen for 2 s", fire: (*world).freezeRedis, redis: true},
		{name: "F48 restart from an old copy", fire: (*world).restartFromCopy, redis: true, exclusive: true},
		{name: "F68 a user is revoked, and restored", fire: (*world).revokeUser, steady: true},
		{name: "F69 sessions are refreshed elsewhere", fire: (*world).refreshSessions, steady: true},
		{name: "F70 clients forge cursors", fire: (*world).forgeCursors, steady: true},
	}
	if only == "" {
		return all
	}
	numbers := strings.Split(only, ",")
	return slices.DeleteFunc(all, func(f *fault) bool {
		number, _, _ := strings.Cut(f.name, " ")
		return !slices.Contains(numbers, number)
	})
}

func (w *world) cutLink(d *draws) error {
	l := d.link
	l.Down()
	time.Sleep(cutLasts)
	return l.Up()
}

func (w *world) resetLink(d *draws) error {
	l := d.link
	for range resets {
		if err := l.Reset(); err != nil {
			return err
		}
		time.Sleep(d.duration(200*time.Millisecond, time.Second))
		if err := l.Heal(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) stallLink(d *draws) error {
	l := d.link
	if err := l.Stall(); err != nil {
		return err
	}
	time.Sleep(stallLasts)
	return l.Heal()
}

func (w *world) slowLink(d *draws) error {
	l := d.link
	if err := l.Slow(slowRate); err != nil {
		return err
	}
	time.Sleep(slowLasts)
	return l.Heal()
}

func (w *world) killInstance(d *draws) error { return w.replaceInstance(d, syscall.SIGKILL) }
func (w *world) endInstance(d *draws) error  { return w.replaceInstance(d, syscall.SIGTERM) }

func (w *world) replaceInstance(d *draws, signal syscall.Signal) error {
	p := w.instances[d.random.IntN(len(w.instances))]
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := p.stop(signal)
	time.Sleep(d.duration(time.Second, 4*time.Second))
	return errors.Join(ended, p.start())
}

// failOverLagging takes the primary away when its replica has missed something. Half of the time it is only frozen,
// and still takes itself for the primary when it thaws.
func (w *world) failOverLagging(d *draws) error {
	return w.replacePrimary(func(old *redistest.Server) error {
		if err := old.CutReplicas(); err != nil {
			return err
		}
		time.Sleep(d.duration(300*time.Millisecond, 1500*time.Millisecond))
		if d.random.IntN(2) == 0 {
			return old.Freeze()
		}
		return old.Stop(syscall.SIGKILL)
	})
}

func (w *world) failOver(*draws) error {
	return w.replacePrimary(func(old *redistest.Server) error { return old.Stop(syscall.SIGKILL) })
}

// replacePrimary takes the primary away, waits until the replica is promoted, and makes the old primary its replica. One
// that was killed comes back empty.
func (w *world) replacePrimary(takeAway func(*redistest.Server) error) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	old, next := w.primary(), w.replica()
	if err := next.AwaitSync(old); err != nil {
		return err
	}
	// Replication is asynchronous: what isn't on its way yet is lost even if the replica is in sync.
	w.ledger.excuse(ends)
	if err := takeAway(old); err != nil {
		return err
	}
	for deadline := time.Now().Add(failoverPatience); w.sentinels.Primary() != next.Addr(); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the Sentinels didn't promote %s within %v", next.Addr(), failoverPatience)
		}
	}
	w.servers[0], w.servers[1] = next, old
	if old.Running() {
		w.say("the old primary thaws")
		w.ledger.excuse(splits)
		return errors.Join(old.Thaw(), old.AwaitSync(next), old.MendReplicas()) // the Sentinels tell it whose replica it is
	}
	host, port, _ := strings.Cut(next.Addr(), ":")
	return errors.Join(old.Restart("--replicaof", host+" "+port), old.AwaitSync(next))
}

func (w *world) flush(d *draws) error {
	return w.onPrimary(func(ctx context.Context, client *redis.Client) error {
		var keys []string
		if d.random.IntN(2) == 0 {
			all, err := topicKeys(ctx, client)
			if err != nil {
				return err
			}
			if len(all) > 0 { // else it was flushed a moment ago
				keys = append(keys, all[d.random.IntN(len(all))])
			}
		}
		w.ledger.excuse(cuts)
		if len(keys) == 0 {
			return client.FlushAll(ctx).Err()
		}
		w.say("DEL %s", keys[0])
		return client.Del(ctx, keys...).Err()
	})
}

// ofTopic matches the keys of topics' heads and histories, and of states' keys and deadlines.
var ofTopic = regexp.MustCompile(`\}[mskd]:`)

// topicKeys returns the keys of topics, but not those of message IDs: who deletes these asks for
// duplicates.
func topicKeys(ctx context.Context, client *redis.Client) ([]string, error) {
	var keys []string
	scan := client.Scan(ctx, 0, "*", 1000).Iterator()
	for scan.Next(ctx) {
		if key := scan.Val(); ofTopic.MatchString(key) {
			keys = append(keys, key)
		}
	}
	return keys, scan.Err()
}

func (w *world) killPubSub(d *draws) error {
	for range kills {
		err := w.onPrimary(func(ctx context.Context, client *redis.Client) error {
			return client.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err()
		})
		if err != nil {
			return err
		}
		time.Sleep(d.duration(100*time.Millisecond, time.Second))
	}
	return nil
}

func (w *world) delayRedis(d *draws) error {
	return w.breakRedisLinks(d, latencyLasts, func(l *link.Link) error { return l.Latency(latency, latency/4) })
}

func (w *world) muteRedis(d *draws) error { return w.breakRedisLinks(d, muteLasts, (*link.Link).Mute) }

// breakRedisLinks breaks the links of all to Redis, or those of one instance, which then knows less than the others.
func (w *world) breakRedisLinks(d *draws, lasts time.Duration, how func(*link.Link) error) error {
	links := slices.Concat(w.redisLinks[:]...)
	if d.random.IntN(2) == 0 {
		links = w.redisLinks[d.random.IntN(instances)]
	}
	w.linking.Lock()
	defer w.linking.Unlock()
	var errs []error
	for _, l := range links {
		errs = append(errs, how(l))
	}
	time.Sleep(lasts)
	for _, l := range links {
		errs = append(errs, l.Heal())
	}
	return errors.Join(errs...)
}

func (w *world) freezeRedis(*draws) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	server := w.primary()
	if err := server.Freeze(); err != nil {
		return err
	}
	time.Sleep(freezeLasts)
	return server.Thaw()
}

// onPrimary runs a command beside the links, while the primary stays what it is.
func (w *world) onPrimary(run func(context.Context, *redis.Client) error) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	client := redis.NewClient(w.primary().Options())
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), failoverPatience)
	defer cancel()
	return run(ctx, client)
}
