package redisbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

var stateRules = []push.TopicRule{{Pattern: "state/{x}", State: true}}

func onStates() Options { return Options{Topics: stateRules} }

// setKey sets a key to "x".
func setKey(t *testing.T, b *Broker, topic, key string, ttl time.Duration) broker.Position {
	t.Helper()
	receipt, err := b.Set(t.Context(), push.Message{Topic: topic, Key: key, Data: []byte("x"), TTL: ttl})
	must(t, err)
	return receipt.Position
}

func stateOf(t *testing.T, b *Broker, topic string) push.Page {
	t.Helper()
	page, err := b.State(t.Context(), topic)
	must(t, err)
	return page
}

// changeAll makes a change of each kind, has a key end, and reads.
func changeAll(t *testing.T, b *Broker) {
	t.Helper()
	c := make(changes, 100)
	_, err := b.Subscribe(t.Context(), "state/a", c)
	must(t, err)
	setKey(t, b, "state/a", "k", time.Hour)
	_, err = b.Append(t.Context(), push.Message{Topic: "state/a", Key: "k", ID: "i", Data: []byte("y")})
	must(t, err)
	_, err = b.Touch(t.Context(), push.Message{Topic: "state/a", Key: "k", TTL: time.Millisecond})
	must(t, err)
	for _, want := range []string{"set k x", "append k y", "delete k "} {
		c.want(t, want)
	}
	for i := range 15 { // the history is trimmed
		setKey(t, b, "state/a", fmt.Sprint(i), 0)
	}
	_, err = b.Delete(t.Context(), push.Message{Topic: "state/a", Key: "1"})
	must(t, err)
	if n := len(stateOf(t, b, "state/a").Messages); n != 14 {
		t.Errorf("%d keys", n)
	}
	b.Unsubscribe("state/a", c)
}

// changes is a receiver that sends what changes.
type changes chan string

func (c changes) Receive(m *push.Message) { c <- m.Op.String() + " " + m.Key + " " + string(m.Data) }
func (c changes) Break(gap broker.Gap)    { c <- "gap " + string(gap.Reason) }

func (c changes) want(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Errorf("%q came, want %q", got, want)
		}
	case <-time.After(testaid.Patience): //clock:real it ends a broken test
		t.Fatalf("%q didn't come", want)
	}
}

// TestKindIsStored has instances whose rules aren't the same: none takes a state for a log, or
// a log for a state, and what is stored stays what it is.
func TestKindIsStored(t *testing.T) {
	_, client := startServer(t)
	right := brokerOn(t, client, Options{Topics: []push.TopicRule{{Pattern: "a", State: true}}})
	wrong := brokerOn(t, client, Options{Topics: []push.TopicRule{{Pattern: "b", State: true}}})
	setKey(t, right, "a", "k", 0)
	add(t, right, "b", "x")
	ctx := context.WithoutCancel(t.Context())
	log, state := push.Message{Topic: "a", Data: []byte("x")}, push.Message{Topic: "b", Key: "k", Op: broker.OpSet}
	for name, call := range map[string]func(topic string) error{
		"Publish": func(topic string) error {
			_, err := wrong.Publish(ctx, map[string]push.Message{"a": log, "b": state}[topic])
			return err
		},
		"PublishAll": func(topic string) error {
			return wrong.PublishAll(ctx, map[string]push.Message{"a": log, "b": state}[topic], topic)[0].Err
		},
		"Since": func(topic string) error {
			_, err := wrong.Since(ctx, topic, at(1, 1), broker.Limit{})
			return err
		},
		"Recent": func(topic string) error {
			_, err := wrong.Recent(ctx, topic, broker.Limit{Messages: 1})
			return err
		},
		"State": func(topic string) error {
			_, err := wrong.State(ctx, topic)
			return err
		},
		"Subscribe": func(topic string) error {
			_, err := wrong.Subscribe(ctx, topic, &recorder{})
			return err
		},
	} {
		for _, topic := range []string{"a", "b"} {
			if err := call(topic); !errors.Is(err, push.CodeWrongKind) {
				t.Errorf("%s of %s: %v", name, topic, err)
			}
		}
	}
	healthSays(t, wrong, "and is to be")
	if page := stateOf(t, right, "a"); page.Head.Offset != 1 || len(page.Messages) != 1 {
		t.Errorf("the state is %+v", page)
	}
	page, err := right.Recent(t.Context(), "b", broker.Limit{Messages: 10})
	if err != nil || len(page.Messages) != 1 || page.Head.Offset != 1 {
		t.Errorf("the log is %+v, %v", page, err)
	}
}

// TestKeysOfAStateStay looks at when Redis forgets a state.
func TestKeysOfAStateStay(t *testing.T) {
	b, client := scripted(t, onStates())
	const never = -1
	left := func() (all []time.Duration) {
		for _, key := range newServer(nil, b.options).stateKeys("state/a") {
			all = append(all, client.PTTL(t.Context(), key).Val())
		}
		return append(all[:1], all[2:]...) // but of the log
	}
	within := func(d, most time.Duration) bool { return d <= most && d > most-time.Minute }
	setKey(t, b, "state/a", "k", time.Hour)
	if got := left(); !within(got[0], 49*time.Hour) || !within(got[1], 49*time.Hour) || !within(got[2], 49*time.Hour) {
		t.Errorf("after the last key's hour: %v", got)
	}
	setKey(t, b, "state/a", "l", 0)
	if got := left(); got[0] != never || got[1] != never || got[2] != never {
		t.Errorf("with a key that stays: %v", got)
	}
	_, err := b.Since(t.Context(), "state/a", at(1, 1), broker.Limit{})
	must(t, err)
	if got := left(); got[0] != never {
		t.Errorf("a read has them end: %v", got)
	}
	_, err = b.Touch(t.Context(), push.Message{Topic: "state/a", Key: "k", TTL: -1})
	must(t, err)
	if got := left(); got[0] != never || got[1] != never || got[2] != -2 {
		t.Errorf("without deadlines: %v", got)
	}
	for _, key := range []string{"k", "l"} {
		_, err := b.Delete(t.Context(), push.Message{Topic: "state/a", Key: key})
		must(t, err)
	}
	if got := left(); !within(got[0], 48*time.Hour) || got[1] != -2 {
		t.Errorf("without keys: %v", got)
	}
}

// TestFullRedisChangesNothing has changes refused that take memory, and a key that is due then.
func TestFullRedisChangesNothing(t *testing.T) {
	b, client := scripted(t, onStates())
	setKey(t, b, "state/a", "timed", time.Hour)
	setKey(t, b, "state/a", "brief", 20*time.Millisecond)
	head := setKey(t, b, "state/a", "k", 0)
	before := client.HGetAll(t.Context(), newServer(nil, b.options).stateKeys("state/a")[2]).Val()
	must(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	testaid.Eventually(t, "the end of a key", func() bool { return len(stateOf(t, b, "state/a").Messages) == 2 })
	for _, m := range []push.Message{
		{Op: broker.OpSet, Key: "new"}, {Op: broker.OpSet, Key: "k"}, {Op: broker.OpAppend, Key: "k"},
		{Op: broker.OpSet, Key: "brief"}, {Op: broker.OpSet, Key: "k", ID: "i"}, {Op: broker.OpSet, Key: "k", Topic: "state/new"},
	} {
		m.Topic = cmp.Or(m.Topic, "state/a")
		if _, err := b.Publish(t.Context(), m); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("%s of %s: %v", m.Op, m.Key, err)
		}
	}
	after := client.HGetAll(t.Context(), newServer(nil, b.options).stateKeys("state/a")[2]).Val()
	if page := stateOf(t, b, "state/a"); page.Head != head || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("%v at %+v became %v at %+v", before, head, after, page.Head)
	}
	must(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	if next := setKey(t, b, "state/a", "k", 0); next.Epoch != head.Epoch || next.Offset != head.Offset+2 {
		t.Errorf("after %+v and the end of a key comes %+v", head, next)
	}
}

// TestDamagedStateBeginsAgain has somebody take keys away, or change them.
func TestDamagedStateBeginsAgain(t *testing.T) {
	b, client := scripted(t, onStates())
	for i, damage := range []func(keys []string) *redis.IntCmd{
		func(keys []string) *redis.IntCmd { return client.Del(t.Context(), keys[2]) },
		func(keys []string) *redis.IntCmd { return client.HDel(t.Context(), keys[2], "k") },
		func(keys []string) *redis.IntCmd { return client.HSet(t.Context(), keys[2], "foreign", "x") },
		func(keys []string) *redis.IntCmd {
			return client.HSet(t.Context(), keys[2], "k", client.HGet(t.Context(), keys[2], "k").Val()+"more")
		},
		func(keys []string) *redis.IntCmd { return client.Del(t.Context(), keys[3]) },
		func(keys []string) *redis.IntCmd { return client.ZRem(t.Context(), keys[3], "l") },
	} {
		topic := fmt.Sprint("state/", i)
		c := make(changes, 10)
		_, err := b.Subscribe(t.Context(), topic, c)
		must(t, err)
		setKey(t, b, topic, "k", 0)
		old := setKey(t, b, topic, "l", time.Hour)
		c.want(t, "set k x")
		c.want(t, "set l x")
		must(t, damage(newServer(nil, b.options).stateKeys(topic)).Err())
		page := stateOf(t, b, topic)
		if page.Head.Epoch == old.Epoch || page.Head.Offset != 0 || len(page.Messages) != 0 {
			t.Errorf("damage %d: %+v after %+v", i, page, old)
		}
		c.want(t, "gap epoch")
		setKey(t, b, topic, "m", 0)
		c.want(t, "set m x")
		if page := stateOf(t, b, topic); len(page.Messages) != 1 {
			t.Errorf("damage %d: then %+v", i, page)
		}
	}
}

// TestForeignEntries has entries that are as long as they should be, and no entries.
func TestForeignEntries(t *testing.T) {
	b, client := scripted(t, onStates())
	setKey(t, b, "state/a", "k", 0)
	keys := newServer(nil, b.options).stateKeys("state/a")
	good := client.HGet(t.Context(), keys[2], "k").Val()
	for _, bad := range []string{
		strings.Repeat("x", len(good)),
		"zz" + good[2:],
		good[:16] + "00000000000009" + good[30:], // after the head
		good[:16] + "00000000000000" + good[30:],
		good[:44] + "9" + good[45:],         // no encoding
		good[:44] + "1" + good[45:],         // x is no JSON
		good[:len(good)-1] + "\xff",         // no text
		good[:45] + "-000001" + good[45+7:], // no length
	} {
		must(t, client.HSet(t.Context(), keys[2], "k", bad).Err())
		if page, err := b.State(t.Context(), "state/a"); !errors.Is(err, push.CodeInternal) {
			t.Errorf("%q: %+v, %v", bad, page, err)
		}
	}
	must(t, client.HSet(t.Context(), keys[2], "k", good).Err())
	if n := len(stateOf(t, b, "state/a").Messages); n != 1 {
		t.Errorf("%d keys", n)
	}
	must(t, client.HSet(t.Context(), keys[2], "k", "short").Err())
	if _, err := b.Append(t.Context(), push.Message{Topic: "state/a", Key: "k"}); !errors.Is(err, push.CodeInternal) {
		t.Errorf("an append to what is no entry: %v", err)
	}
}

// TestForeignKindsOfMessages has a state's channel and log bring what is no change, and a
// log's what is one.
func TestForeignKindsOfMessages(t *testing.T) {
	o := onStates().withDefaults()
	s := newServer(nil, o)
	log := push.Message{ID: "i", Topic: "x", Data: []byte("x"), Position: at(1, 1)}
	change := push.Message{ID: "i", Topic: "x", Key: "k", Op: broker.OpSet, Position: at(1, 1)}
	for topic, bad := range map[string]*push.Message{"state/a": &log, "a": &change} {
		if m, err := s.Decode(topic, published(bad)); err == nil {
			t.Errorf("%s takes %+v", topic, m)
		}
	}
	for topic, good := range map[string]*push.Message{"state/a": &change, "a": &log} {
		if m, err := s.Decode(topic, published(good)); err != nil || m.Op != good.Op {
			t.Errorf("%s: %+v, %v", topic, m, err)
		}
	}
}

// TestChangesOnACluster changes topics of all owners at once.
func TestChangesOnACluster(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	client := redis.NewClusterClient(cluster.Options())
	t.Cleanup(func() { client.Close() })
	b := brokerOn(t, client, onStates())
	changeAll(t, b)
	var topics []string
	for i := range 30 {
		topics = append(topics, fmt.Sprint("state/", i))
	}
	for round := range uint64(2) {
		wantAll(t, b.PublishAll(t.Context(), push.Message{Op: broker.OpAppend, Key: "k", Data: []byte("x")}, topics...), round+1)
	}
	for _, topic := range topics {
		if page := stateOf(t, b, topic); len(page.Messages) != 1 || string(page.Messages[0].Data) != "xx" {
			t.Errorf("%s: %+v", topic, page)
		}
	}
	_, err := b.Set(t.Context(), push.Message{Topic: "state/0", Key: "k", Replicated: true})
	if !errors.Is(err, push.CodeNotReplicated) {
		t.Errorf("Replicated: %v", err)
	}
	if page := stateOf(t, b, "state/0"); page.Head.Offset != 3 {
		t.Errorf("what isn't replicated isn't stored: %+v", page)
	}
}

// TestKeysOfALostHeadAreGone has an instance that knows nothing of a state renew a key of
// which only the value is left.
func TestKeysOfALostHeadAreGone(t *testing.T) {
	o := onStates()
	b, client := scripted(t, o)
	setKey(t, b, "state/a", "k", time.Hour)
	head, history := newServer(nil, b.options).keys("state/a")
	must(t, client.Del(t.Context(), head, history).Err())
	gone, err := brokerOn(t, client, o).Renew(t.Context(), "state/a", []string{"k"}, time.Hour)
	if err != nil || len(gone) != 1 {
		t.Errorf("gone are %q, %v", gone, err)
	}
}
