package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// roundTrips is a hook that counts the commands of each pipeline.
type roundTrips struct {
	mu   sync.Mutex
	sent []int
}

func (*roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (*roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		r.note(commands)
		return next(ctx, commands)
	}
}

// note leaves out what go-redis sends by itself on a new connection.
func (r *roundTrips) note(commands []redis.Cmder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if commands[0].Name() == "evalsha" {
		r.sent = append(r.sent, len(commands))
	}
}

// take returns the sizes of the pipelines since the last call, largest first.
func (r *roundTrips) take() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	slices.Sort(sent)
	slices.Reverse(sent)
	return sent
}

func topicNames(n int) []string {
	topics := make([]string, n)
	for i := range topics {
		topics[i] = fmt.Sprint("topic/", i)
	}
	return topics
}

func wantAll(t *testing.T, all []push.Published, offset uint64) {
	t.Helper()
	for _, p := range all {
		if p.Err != nil || p.Receipt.Position.Offset != offset {
			t.Fatalf("%+v, want it at %d", p, offset)
		}
	}
}

func TestManyTopicsTakeFewRoundTrips(t *testing.T) {
	b, client := scripted(t, Options{})
	trips := &roundTrips{}
	client.AddHook(trips)
	add(t, b, "first", "x") // loads the genesis and the script
	trips.take()
	m := push.Message{Data: []byte("x")}
	wantAll(t, b.PublishAll(t.Context(), m, topicNames(100)...), 1)
	if got := trips.take(); !slices.Equal(got, []int{100}) {
		t.Errorf("100 topics took pipelines of %v commands", got)
	}
	wantAll(t, b.PublishAll(t.Context(), m, topicNames(1000)[100:]...), 1)
	if got := trips.take(); !slices.Equal(got, []int{128, 128, 128, 128, 128, 128, 128, 4}) {
		t.Errorf("900 topics took pipelines of %v commands", got)
	}
	m.Data = []byte(strings.Repeat("x", 60_000)) // five are more than a round trip takes
	wantAll(t, b.PublishAll(t.Context(), m, topicNames(12)...), 2)
	if got := trips.take(); !slices.Equal(got, []int{5, 5, 2}) {
		t.Errorf("12 large messages took pipelines of %v commands", got)
	}
}

// TestManyTopicsWaitForReplicasOnce: one WAIT stands for all messages of a round trip.
func TestManyTopicsWaitForReplicasOnce(t *testing.T) {
	b, client := scripted(t, Options{ReplicaTimeout: 10 * time.Millisecond})
	trips := &roundTrips{}
	client.AddHook(trips)
	add(t, b, "first", "x")
	trips.take()
	for _, p := range b.PublishAll(t.Context(), push.Message{Replicated: true}, topicNames(10)...) {
		if !errors.Is(p.Err, push.CodeNotReplicated) || p.Receipt.Position.Offset != 1 {
			t.Errorf("%+v, want a receipt and no replica", p)
		}
	}
	if got := trips.take(); !slices.Equal(got, []int{11}) {
		t.Errorf("10 topics took pipelines of %v commands", got)
	}
}

// TestManyTopicsAfterAFlush: a Redis that has lost everything knows neither the script nor
// the genesis that the broker knows.
func TestManyTopicsAfterAFlush(t *testing.T) {
	b, client := scripted(t, Options{})
	wantAll(t, b.PublishAll(t.Context(), push.Message{}, topicNames(200)...), 1)
	must(t, client.FlushAll(t.Context()).Err())
	must(t, client.ScriptFlush(t.Context()).Err())
	wantAll(t, b.PublishAll(t.Context(), push.Message{}, "another"), 1) // stale, and read again
	must(t, client.FlushAll(t.Context()).Err())
	wantAll(t, b.PublishAll(t.Context(), push.Message{}, topicNames(200)...), 1)
}

func TestForeignKeyIsOneTopicsErrorAmongMany(t *testing.T) {
	b, client := scripted(t, Options{})
	head, _ := b.keys("topic/3")
	must(t, client.Set(t.Context(), head, "foreign", 0).Err())
	for i, p := range b.PublishAll(t.Context(), push.Message{}, topicNames(10)...) {
		if (p.Err != nil) != (i == 3) {
			t.Errorf("%+v", p)
		}
		if i == 3 && !errors.Is(p.Err, push.CodeInternal) {
			t.Errorf("the foreign key: %v", p.Err)
		}
	}
}

// TestManyTopicsOnACluster has a client of the Cluster, whose owners each get their part,
// and one of a single node that owns all slots, where a call's keys have to be of one slot.
func TestManyTopicsOnACluster(t *testing.T) {
	t.Parallel()
	cluster, one := startCluster(t, 3), startCluster(t, 1)
	clients := map[string]redis.UniversalClient{
		"three owners":           redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Nodes[0].Addr()}}),
		"a single node's client": redis.NewClient(one.Nodes[0].Options()),
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := onClient(t, client)
			trips := &roundTrips{}
			client.AddHook(trips)
			for round := range uint64(2) {
				trips.take()
				wantAll(t, b.PublishAll(t.Context(), push.Message{}, topicNames(100)...), round+1)
			}
			if got := trips.take(); len(got) > 6 { // go-redis may count the one for all owners, too
				t.Errorf("100 topics took pipelines of %v commands", got)
			}
		})
	}
}

// TestManyTopicsHeedTheContext has a Redis that doesn't answer: the outcome isn't known, and
// each topic says so.
func TestManyTopicsHeedTheContext(t *testing.T) {
	_, client := startServer(t)
	o := Options{}.withDefaults()
	s := newServer(client, o)
	b := newBroker(s, o)
	t.Cleanup(func() { must(t, b.Close(context.Background())) })
	add(t, b, "first", "x")
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	t.Cleanup(release)
	sent, carriedOut := make(chan struct{}, 1000), make(chan struct{}, 1000)
	s.pipelines.byKey[pipelineKey{"", addCalls}].send = func(_ context.Context, calls []*call) {
		sent <- struct{}{}
		<-held
		s.send(context.Background(), calls)
		carriedOut <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	all := make(chan []push.Published, 1)
	go func() { all <- b.PublishAll(ctx, push.Message{ID: "once"}, topicNames(1000)...) }()
	<-sent
	<-sent
	cancel()
	for _, p := range <-all {
		if !errors.Is(p.Err, context.Canceled) {
			t.Fatalf("%+v", p)
		}
	}
	release()
	<-carriedOut
	<-carriedOut
	// Those that were under way are stored now; the others never were sent.
	var known, added int
	for _, p := range b.PublishAll(t.Context(), push.Message{ID: "once"}, topicNames(1000)...) {
		switch {
		case p.Err != nil || p.Receipt.Position.Offset != 1:
			t.Fatalf("again: %+v", p)
		case p.Receipt.Duplicate:
			known++
		default:
			added++
		}
	}
	if known != maxRoundTrips*maxBatch || added != 1000-known {
		t.Errorf("%d were stored before, %d only now", known, added)
	}
}

// TestAgeBeyondKeepKeepsTheTopic: a topic is kept for as long as its messages.
func TestAgeBeyondKeepKeepsTheTopic(t *testing.T) {
	b, client := scripted(t, Options{Keep: time.Hour, Topics: []push.TopicRule{
		{Pattern: "archive", History: broker.History{Age: 24 * time.Hour}},
		{Pattern: "close", History: broker.History{Age: time.Hour}},
		{Pattern: "brief", History: broker.History{Age: time.Minute}},
		{Pattern: "unbounded", History: broker.History{Age: -1}},
	}})
	for topic, want := range map[string]struct{ head, history time.Duration }{
		"archive":   {24 * time.Hour, 24 * time.Hour},
		"close":     {time.Hour, time.Hour},
		"brief":     {time.Hour * 7 / 8, time.Minute},
		"unbounded": {time.Hour * 7 / 8, time.Hour},
	} {
		add(t, b, topic, "x")
		head, history := b.keys(topic)
		// The scripts renew a head only when an eighth of its time is over.
		if least := client.PTTL(t.Context(), head).Val() * 7 / 8; least < want.head-time.Minute {
			t.Errorf("the head of %s may end after %v, want %v", topic, least, want.head)
		}
		if got := client.PTTL(t.Context(), history).Val(); got > want.history || got < want.history-time.Minute {
			t.Errorf("the history of %s ends after %v, want %v", topic, got, want.history)
		}
	}
}

// TestPurePublisherKeepsToTheRules: a broker that no hub uses trims as its rules say, and
// followers are told what theirs say.
func TestPurePublisherKeepsToTheRules(t *testing.T) {
	rules := []push.TopicRule{{Pattern: "prices/{symbol}", History: broker.History{Messages: 2}, Time: true}}
	publisher, client := scripted(t, Options{Topics: rules})
	for range 10 {
		add(t, publisher, "prices/a", "x")
		add(t, publisher, "news", "x")
	}
	for topic, want := range map[string]int64{"prices/a": 2, "news": 10} {
		_, history := publisher.keys(topic)
		if n := client.XLen(t.Context(), history).Val(); n != want {
			t.Errorf("%s has %d messages, want %d", topic, n, want)
		}
	}
	for _, reader := range []struct {
		rules []push.TopicRule
		tells bool
	}{{rules, true}, {nil, false}} {
		page, err := brokerOn(t, client, Options{Topics: reader.rules}).Recent(t.Context(), "prices/a", broker.Limit{Messages: 10})
		if err != nil || len(page.Messages) != 2 || page.Messages[0].TellTime != reader.tells {
			t.Errorf("with the rules %+v: %+v, %v", reader.rules, page, err)
		}
	}
}
