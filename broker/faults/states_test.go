package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/client"
)

// topology is a Redis, and what befalls it while states change.
type topology struct {
	client  func() redis.UniversalClient
	disturb func(t *testing.T, topic string)
	settle  func(t *testing.T) // when nobody changes anything any more; may be nil
	// lossless says that no change is lost by that, so that no client may have to begin again. Replicated asks for changes
	// that are safe from it.
	lossless, replicated bool
}

// TestStatesOnStandalone: in the middle all connections for pub/sub are cut.
func TestStatesOnStandalone(t *testing.T) { //nolint:tparallel // the promises share one Redis, and disturb it
	t.Parallel()
	server := startServer(t)
	admin := connect(t, server)
	statePromises(t, topology{
		client: func() redis.UniversalClient { return connect(t, server) },
		disturb: func(t *testing.T, _ string) {
			t.Helper()
			check(t, admin.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
		},
		lossless: true,
	})
}

// TestStatesOnSentinel: in the middle the primary is killed, which comes back as a replica of the one that replaces it.
func TestStatesOnSentinel(t *testing.T) { //nolint:tparallel // the promises share one Redis, and disturb it
	t.Parallel()
	// Six failovers one after the other: a busy machine may cause none besides.
	primary, replica, sentinels := startSentinels(t, 4*downAfter)
	statePromises(t, topology{
		client: func() redis.UniversalClient {
			return closing[*redis.Client](t)(redis.NewFailoverClient(sentinels.Options()), nil)
		},
		disturb: func(t *testing.T, _ string) {
			t.Helper()
			check(t, primary.Stop(os.Kill))
			await(t, "another primary", func() bool { return sentinels.Primary() == replica.Addr() })
			primary, replica = replica, primary
			host, port, _ := strings.Cut(primary.Addr(), ":")
			check(t, replica.Restart("--replicaof", host+" "+port))
		},
		settle: func(t *testing.T) {
			t.Helper()
			check(t, replica.AwaitSync(primary))
		},
		replicated: true,
	})
}

// TestStatesOnCluster: in the middle the topic's slot moves to another owner.
func TestStatesOnCluster(t *testing.T) { //nolint:tparallel // the promises share one Redis, and disturb it
	t.Parallel()
	c := onCluster(t, calmCluster...)
	statePromises(t, topology{
		client: func() redis.UniversalClient {
			return closing[*redis.ClusterClient](t)(redis.NewClusterClient(c.Options()), nil)
		},
		disturb: func(t *testing.T, topic string) {
			t.Helper()
			c := &clustered{c.Cluster, t, c.client}
			key := c.key(topic)
			owner := c.Owner(key)
			for _, node := range c.Nodes[:3] {
				if node != owner {
					c.move(key, node)
					return
				}
			}
		},
		lossless: true, replicated: true,
	})
}

// statePromises shows the promises of state topics, for clients of two instances.
func statePromises(t *testing.T, on topology) {
	t.Helper()
	instances := []*instance{startInstance(t, on.client(), push.Options{}), startInstance(t, on.client(), push.Options{})}
	promises := []struct {
		name string
		show func(*stateTrial)
	}{
		{"Converges", (*stateTrial).converges},
		{"NeverGoesBack", (*stateTrial).neverGoesBack},
		{"AppendsWhole", (*stateTrial).appendsWhole},
		{"HasNoSeam", (*stateTrial).hasNoSeam},
		{"SlowReadersStay", (*stateTrial).slowReadersStay},
		{"KeysEnd", (*stateTrial).keysEnd},
	}
	for _, promise := range promises {
		t.Run(promise.name, func(t *testing.T) {
			promise.show(&stateTrial{T: t, on: on, instances: instances, topic: "state/" + promise.name})
		})
	}
}

// stateTrial is one promise that is tried.
type stateTrial struct {
	*testing.T
	on        topology
	instances []*instance
	topic     string

	changes atomic.Int64 // that were made
	number  atomic.Int64 // of the last message
}

// make makes a change, through any of the instances, until it is stored.
func (s *stateTrial) make(m push.Message) {
	m.Topic, m.ID, m.Replicated = s.topic, fmt.Sprint("change-", s.number.Add(1)), s.on.replicated
	for s.Context().Err() == nil {
		_, err := s.instances[rand.IntN(len(s.instances))].Publish(context.WithoutCancel(s.Context()), m)
		switch {
		case err == nil, errors.Is(err, push.CodeNotReplicated):
			s.changes.Add(1)
			return
		case !errors.Is(err, push.CodeUnavailable) && !errors.Is(err, push.CodeTimeout):
			s.Errorf("%s of %s: %v", m.Op, m.Key, err)
			return
		}
	}
}

// writing makes changes one after the other, n of each writer's before the disturbance and n after it, and returns when all
// are made. A change that isn't possible any more is nil.
func (s *stateTrial) writing(writers, n int, change func(writer, number int) push.Message) {
	s.Helper()
	var disturbed atomic.Bool
	var work sync.WaitGroup
	for writer := range writers {
		work.Go(func() {
			after := 0
			for number := 0; after < n && s.Context().Err() == nil && !s.Failed(); number++ {
				if disturbed.Load() {
					after++
				}
				s.make(change(writer, number))
			}
		})
	}
	before := s.changes.Load()
	await(s.T, "changes before", func() bool { return s.changes.Load() >= before+int64(writers*n) || s.Failed() })
	s.on.disturb(s.T, s.topic)
	disturbed.Store(true)
	work.Wait()
	s.settle()
}

func (s *stateTrial) settle() {
	if s.on.settle != nil {
		s.on.settle(s.T)
	}
}

// everywhere makes a reader by each transport on each instance.
func (s *stateTrial) everywhere() (readers []*reader) {
	for _, i := range s.instances {
		for _, w := range ways {
			readers = append(readers, read(s.T, s.topic, w, i.url))
		}
	}
	return readers
}

// hop leads a reader to another instance by any transport, again and again, each time when it has heard something, as
// often as there is time for before stop is called, and at least so often.
func (s *stateTrial) hop(r *reader, least int, forgets bool) (stop func()) {
	var work sync.WaitGroup
	var enough atomic.Bool
	work.Go(func() {
		for hops := 0; (hops < least || !enough.Load()) && !s.Failed(); hops++ {
			if forgets && hops%2 == 0 {
				r.stop()
				r.Forget()
			}
			r.to(ways[rand.IntN(len(ways))], s.instances[hops%len(s.instances)].url)
			told := r.Figures().Frames
			await(s.T, "a reader that hops", func() bool { return enough.Load() || r.Complete() && r.Figures().Frames > told })
		}
	})
	return func() {
		enough.Store(true)
		work.Wait()
	}
}

// converge waits until all have what the broker has.
func (s *stateTrial) converge(readers []*reader, mirrors ...*client.State) {
	s.Helper()
	var differs string
	defer func() {
		if differs != "" {
			s.Error(differs)
		}
	}()
	await(s.T, "readers that have what the broker has", func() bool {
		entries, _, err := s.instances[0].State(s.Context(), s.topic)
		if err != nil {
			differs = err.Error()
			return false
		}
		for i, r := range readers {
			if differs = r.Differs(entries); differs != "" {
				ended, why := r.ended()
				differs = fmt.Sprintf("reader %d: %s; %+v; %d connections have ended: %v", i, differs, r.Figures(), ended, why)
				return false
			}
		}
		for i, m := range mirrors {
			if differs = stateDiffers(m, entries); differs != "" {
				differs = fmt.Sprintf("client %d: %s", i, differs)
				return false
			}
		}
		return true
	})
}

// mixed is a change of one of some keys: it is set, appended to or deleted.
func mixed(writer, number int) push.Message {
	m := push.Message{Key: fmt.Sprint("key", rand.IntN(50)), Op: broker.OpSet, Data: fmt.Appendf(nil, "%d of %d", number, writer)}
	switch rand.IntN(4) {
	case 0:
		m.Op = broker.OpAppend
	case 1:
		m.Op, m.Data = broker.OpDelete, nil
	}
	return m
}

func (s *stateTrial) converges() {
	readers := s.everywhere()
	mirrors := []*client.State{mirrorOf(s.T, s.instances[0], s.topic), mirrorOf(s.T, s.instances[1], s.topic)}
	s.writing(4, 100, mixed)
	s.converge(readers, mirrors...)
}

// neverGoesBack: the values count up, for readers that come again and again, with and without a cursor.
func (s *stateTrial) neverGoesBack() {
	counts := func(_ string, before, now []byte) string {
		if was, err := strconv.Atoi(string(before)); err == nil {
			if is, err := strconv.Atoi(string(now)); err != nil || is < was {
				return fmt.Sprintf("%q came after %q", now, before)
			}
		}
		return ""
	}
	var readers []*reader
	for i := range 6 {
		r := newReader(s.T, s.topic)
		r.Judge = counts
		readers = append(readers, r)
		defer s.hop(r, 10, i%2 == 0)()
	}
	s.writing(4, 150, func(writer, number int) push.Message {
		return push.Message{Key: fmt.Sprint("counter", writer), Op: broker.OpSet, Data: fmt.Append(nil, number)}
	})
	s.converge(readers)
}

// appendsWhole: each key is a text of numbered pieces. What readers have is always its beginning, and in the end all.
func (s *stateTrial) appendsWhole() {
	piece := func(number int) string { return fmt.Sprint(number, "é😀 ") }
	var whole strings.Builder
	for number := range 20_000 {
		whole.WriteString(piece(number))
	}
	begins := func(_ string, before, now []byte) string {
		if !strings.HasPrefix(whole.String(), string(now)) || len(now) < len(before) {
			return fmt.Sprintf("%.60q came after %d bytes", now, len(before))
		}
		return ""
	}
	readers := s.everywhere()
	for range 4 {
		readers = append(readers, newReader(s.T, s.topic))
	}
	for _, r := range readers {
		r.stop()
		r.Judge = begins
	}
	for i, r := range readers[:6] {
		r.to(ways[i%3], s.instances[i/3].url)
	}
	for i, r := range readers[6:] {
		defer s.hop(r, 10, i == 0)()
	}
	var written [4]int
	s.writing(len(written), 100, func(writer, number int) push.Message {
		written[writer] = number + 1
		return push.Message{Key: fmt.Sprint("text", writer), Op: broker.OpAppend, Data: []byte(piece(number))}
	})
	s.converge(readers)
	for writer, n := range written {
		var want strings.Builder
		for number := range n {
			want.WriteString(piece(number))
		}
		for i, r := range readers {
			if got, _ := r.Get(fmt.Sprint("text", writer)); got != want.String() {
				s.Errorf("reader %d has %d bytes of text %d, want %d", i, len(got), writer, want.Len())
			}
		}
	}
}

// hasNoSeam: who comes back with a cursor, anywhere, gets only what has changed.
func (s *stateTrial) hasNoSeam() {
	var readers []*reader
	for range 4 {
		r := newReader(s.T, s.topic)
		readers = append(readers, r)
		defer s.hop(r, 15, false)()
	}
	s.writing(4, 150, mixed)
	s.converge(readers)
	for i, r := range readers {
		if f := r.Figures(); f.Snapshots != 1 || f.Resets > 0 && s.on.lossless {
			s.Errorf("reader %d began again: %+v", i, f)
		}
	}
}

// slowReadersStay: the keys change faster than some readers read.
func (s *stateTrial) slowReadersStay() {
	padding := strings.Repeat("x", 200)
	before := s.instances[0].Stats()
	readers := []*reader{read(s.T, s.topic, webSocket, s.instances[1].url)}
	for _, w := range []way{webSocket, eventStream} {
		r := newReader(s.T, s.topic).slowly(100_000)
		r.to(w, s.instances[0].url)
		readers = append(readers, r)
	}
	for n := range 500 {
		s.make(push.Message{Key: fmt.Sprint("key", n), Op: broker.OpSet, Data: []byte(padding)})
	}
	s.writing(8, 500, func(writer, number int) push.Message {
		return push.Message{Key: fmt.Sprint("key", rand.IntN(500)), Op: broker.OpSet, Data: fmt.Append(nil, number, " of ", writer, padding)}
	})
	s.converge(readers)
	after := s.instances[0].Stats()
	if after.Lagged == before.Lagged || after.Closed[push.CodeSlowConsumer] != before.Closed[push.CodeSlowConsumer] {
		s.Errorf("nobody lagged, or somebody was cut: %+v, then %+v", before, after)
	}
	for i, r := range readers {
		if n, why := r.ended(); n > 0 {
			s.Errorf("connections of reader %d have ended: %d; %v", i, n, why)
		}
	}
}

// keysEnd: a key that nobody touches ends for all, and one that is touched stays.
func (s *stateTrial) keysEnd() {
	readers := s.everywhere()
	have := func(key string, want bool) {
		s.Helper()
		await(s.T, fmt.Sprintf("%s with all: %v", key, want), func() bool {
			for _, r := range readers {
				if _, has := r.Get(key); has != want {
					return false
				}
			}
			return true
		})
	}
	s.make(push.Message{Key: "touched", Op: broker.OpSet, TTL: 30 * time.Second})
	s.make(push.Message{Key: "left", Op: broker.OpSet, TTL: 5 * time.Second})
	have("touched", true)
	var work sync.WaitGroup
	enough := make(chan struct{})
	work.Go(func() {
		for pace := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-enough:
				pace.Stop()
				return
			case <-pace.C:
				s.make(push.Message{Key: "touched", Op: broker.OpTouch, TTL: 30 * time.Second})
			}
		}
	})
	s.on.disturb(s.T, s.topic)
	have("left", false)
	have("touched", true)
	close(enough)
	work.Wait()
	s.settle()
	s.make(push.Message{Key: "touched", Op: broker.OpTouch, TTL: time.Second})
	have("touched", false)
	s.converge(readers)
}
