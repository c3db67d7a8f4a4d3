package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/client"
)

// TestStateHealsAfterAFailoverToALaggingReplica: a hundred clients of two instances mirror a thousand keys that keep
// changing while the primary dies, whose replica lacks the last changes. All have the broker's map again within five seconds
// after the new primary takes changes, and began again to have it.
func TestStateHealsAfterAFailoverToALaggingReplica(t *testing.T) {
	t.Parallel()
	const (
		topic   = "state/map"
		clients = 100
		keys    = 1000
	)
	primary, replica, sentinels := startSentinels(t, downAfter)
	var instances []*instance
	for range 2 {
		redis := closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
		instances = append(instances, startInstance(t, redis, push.Options{}))
	}
	s := &stateTrial{T: t, instances: instances, topic: topic}
	set := func(key int, data string) push.Message {
		return push.Message{Topic: topic, Key: fmt.Sprint("key", key), Op: broker.OpSet, Data: []byte(data)}
	}
	for key := range keys {
		s.make(set(key, "first"))
	}
	var readers []*reader
	var mirrors []*client.State
	for i := range clients {
		on := instances[i%2]
		switch i / 2 % 3 {
		case 0:
			mirrors = append(mirrors, mirrorOf(t, on, topic))
		case 1:
			readers = append(readers, read(t, topic, webSocket, on.url))
		default:
			readers = append(readers, read(t, topic, eventStream, on.url))
		}
	}
	s.converge(readers, mirrors...)

	var changed, changedAnew atomic.Int64
	var over atomic.Bool
	enough := make(chan struct{})
	var work sync.WaitGroup
	for writer := range 4 {
		work.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for number := 0; ; number++ {
				select {
				case <-enough:
					return
				case <-pace.C:
				}
				m := set(rand.IntN(keys), fmt.Sprint(number, " of ", writer))
				if number%10 == 0 {
					m.Op, m.Data = broker.OpDelete, nil
				}
				anew := over.Load()
				if _, err := instances[writer%2].Publish(t.Context(), m); err == nil {
					changed.Add(1)
					if anew {
						changedAnew.Add(1)
					}
				}
			}
		})
	}
	await(t, "changes", func() bool { return changed.Load() > 200 })
	check(t, replica.AwaitSync(primary))
	check(t, primary.CutReplicas())
	lost := changed.Load()
	await(t, "changes that will be lost", func() bool { return changed.Load() > lost+100 })
	check(t, primary.Stop(os.Kill))
	await(t, "another primary", func() bool { return sentinels.Primary() == replica.Addr() })
	over.Store(true)
	await(t, "a change that the new primary takes", func() bool { return changedAnew.Load() > 0 })
	begin := time.Now()
	await(t, "more changes", func() bool { return changedAnew.Load() > 100 })
	close(enough)
	work.Wait()
	s.converge(readers, mirrors...)
	t.Logf("all %d maps are the broker's %v after the new primary took a change", clients, time.Since(begin).Round(time.Millisecond)) //clock:real it is only told
	within(t, "maps that are the broker's", 5*time.Second, begin)

	resets := 0
	for i, r := range readers {
		if f := r.Figures(); f.Resets == 0 {
			t.Errorf("reader %d wasn't told of what was lost: %+v", i, f)
		}
		resets += r.Figures().Resets
		if n, why := r.ended(); n > 0 {
			t.Errorf("connections of reader %d have ended: %d; %v", i, n, why)
		}
	}
	t.Logf("%d resets of %d readers; instances: %d and %d times", resets, len(readers), instances[0].Stats().Resets, instances[1].Stats().Resets)
	s.make(set(1, "last")) // nobody is stuck
	s.converge(readers, mirrors...)
}

// TestStateIsCutInTheSnapshotAfterAFork: a client has the map of one branch of a fork. An instance that is on the other has
// it begin again, and the connection is cut in the middle of that. Back on the first branch, where its cursor would be good,
// the client gets the whole map, and not only what has changed.
func TestStateIsCutInTheSnapshotAfterAFork(t *testing.T) {
	t.Parallel()
	const topic = "state/map"
	primary := startServer(t)
	replica := startReplica(t, primary)
	other := startInstance(t, connect(t, primary), push.Options{})
	fill := &stateTrial{T: t, instances: []*instance{other}, topic: topic}
	for key := range 800 {
		fill.make(push.Message{Key: fmt.Sprint("key", key), Op: broker.OpSet, Data: make([]byte, 300)})
	}
	check(t, replica.AwaitSync(primary))
	check(t, primary.CutReplicas())
	check(t, replica.Promote())
	own := startInstance(t, connect(t, replica), push.Options{})
	for _, on := range []*instance{own, other} {
		_, err := on.Set(t.Context(), push.Message{Topic: topic, Key: on.url, Data: []byte("branch")})
		check(t, err)
	}
	entries, _, err := own.State(t.Context(), topic)
	check(t, err)

	for _, w := range []way{webSocket, eventStream} {
		t.Run("Simple/"+string(w), func(t *testing.T) {
			t.Parallel()
			r := newReader(t, topic).slowly(1_000_000)
			r.to(w, own.url)
			await(t, "the map", func() bool { return r.Differs(entries) == "" })
			r.to(w, other.url)
			await(t, "a part of the other map", func() bool { _, some := r.Get("key1"); return r.Figures().Resets > 0 && some && !r.Complete() })
			r.to(w, own.url)
			await(t, "all", r.Complete)
			if differs := r.Differs(entries); differs != "" {
				t.Errorf("%s; %+v", differs, r.Figures())
			}
		})
	}
	for _, w := range []client.Transport{client.WebSocket, client.EventStream} {
		t.Run("Library/"+w.String(), func(t *testing.T) {
			t.Parallel()
			d := &detour{dial: slowDial(1_000_000), to: own.Host()}
			c, err := client.New(own.url, client.Options{Transport: w, Logger: quiet, MaxBackoff: time.Second, HTTPClient: d.client()})
			check(t, err)
			t.Cleanup(func() { check(t, c.Close(context.Background())) })
			s, err := c.State(topic)
			check(t, err)
			await(t, "the map", func() bool { return stateDiffers(s, entries) == "" })
			d.lead(other.Host())
			await(t, "a part of the other map", func() bool { n := s.Len(); return !s.Complete() && n > 0 && n < len(entries)/2 })
			d.lead(own.Host())
			await(t, "all", s.Complete)
			if differs := stateDiffers(s, entries); differs != "" {
				t.Errorf("%s; %d keys of %d", differs, s.Len(), len(entries))
			}
		})
	}
}
