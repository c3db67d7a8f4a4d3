package redisbroker

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

//go:embed head.lua
var headLua string

//go:embed publish.lua
var publishLua string

//go:embed read.lua
var readLua string

// server is the [follow.StorePort] of Redis, behind the application's client.
type server struct {
	// static
	client  redis.UniversalClient
	cluster *redis.ClusterClient // the same client, if it is one of a Cluster
	options Options
	publish *script
	fetch   *script
	genesis *script
	values  valueScripts
	states  stateScripts

	known     atomic.Bool // the Cluster has said once where its slots are
	slotted   atomic.Bool // a call's keys have to be of one slot, as on a Cluster
	pipelines pipelines
	figures   figures
}

var _ follow.StorePort = (*server)(nil)

func newServer(client redis.UniversalClient, o Options) *server {
	s := &server{
		client: client, options: o,
		publish: newScript(ofLogs + headLua + publishLua), fetch: newScript(ofLogs + headLua + readLua),
		genesis: newScript(ofLogs + headLua + genesisLua), values: newValueScripts(), states: newStateScripts(),
	}
	s.cluster, _ = client.(*redis.ClusterClient)
	s.slotted.Store(s.cluster != nil)
	return s
}

// Close is part of [follow.StorePort].
func (s *server) Close(ctx context.Context) error { return s.pipelines.close(ctx) }

// keys are the topic's keys: its head and its history.
func (s *server) keys(topic string) (meta, stream string) {
	meta, stream, _ = s.options.topicKeys(topic, "")
	return meta, stream
}

// Add is part of [follow.StorePort].
func (s *server) Add(ctx context.Context, m *push.Message, repeatable bool, mark follow.HighWater, origin follow.Origin) (push.Receipt, error) {
	c, err := s.doInSlot(ctx, addKind(m), func() *call { return s.addition(m, repeatable, mark, origin) })
	if err != nil {
		return push.Receipt{}, err
	}
	return s.added(ctx, m, c)
}

// addKind is the kind of the call that adds a message.
func addKind(m *push.Message) string {
	if m.Replicated {
		return replicatedCalls
	}
	return addCalls
}

// added returns what became of a message whose call was carried out.
func (s *server) added(ctx context.Context, m *push.Message, c *call) (push.Receipt, error) {
	receipt, err := parseReceipt(m, c.command)
	if err == nil && m.Replicated && c.replicas == 0 {
		err = push.CodeNotReplicated
	}
	return receipt, s.inspected(ctx, c, err)
}

// addition is the call that adds a message.
func (s *server) addition(m *push.Message, repeatable bool, mark follow.HighWater, origin follow.Origin) *call {
	if m.Op != broker.OpPublish {
		return s.change(m, repeatable, mark, origin)
	}
	meta, stream, id := s.options.topicKeys(m.Topic, m.ID)
	retry, sum := time.Duration(0), ""
	if repeatable {
		retry, sum = s.options.Retry, content(m)
	}
	body, h := encodeBody(m), s.options.rules.Of(m.Topic).History
	args := append(s.headArgs(h.Age, mark, origin, origin.Fresh), newTag(), body, m.Size(), sum,
		min(int64(h.Messages), broker.MaxOffset), h.Bytes, retry.Milliseconds(), "SPUBLISH", s.options.channel(m.Topic))
	c := s.publish.call(s.withGenesis(meta, stream, id), args)
	c.size += len(body)
	return c
}

// headArgs are the first arguments of the scripts that need a topic's head: how it begins
// if it isn't stored, what it must have, and how long it is kept: longer than a history of
// this age. On a Cluster, where the scripts can't see the genesis, sure says that it is the
// one.
func (s *server) headArgs(age time.Duration, mark follow.HighWater, origin follow.Origin, sure bool) []any {
	epoch, genesis := "", ""
	if origin.Epoch != 0 {
		epoch = origin.Epoch.String()
	}
	if sure {
		genesis = origin.Genesis
	}
	args := append([]any{newEpoch(), epoch, origin.Genesis, genesis}, highWaterArgs(mark)...)
	return append(args, age.Milliseconds(), s.options.keep(age).Milliseconds())
}

// withGenesis adds the key of the genesis to a topic's, if it can be asked together with
// them.
func (s *server) withGenesis(keys ...string) []string {
	if !s.slotted.Load() {
		keys = append(keys, s.options.genesisKey())
	}
	return keys
}

// doInSlot sends the call that build makes, and anew if it turns out that its keys have to
// be of one slot: a client of a single node may be one of a Cluster's.
func (s *server) doInSlot(ctx context.Context, what string, build func() *call) (*call, error) {
	c := build()
	err := s.do(ctx, c.key(), what, c)
	if err == nil && redis.HasErrorPrefix(c.command.Err(), "CROSSSLOT") {
		s.slotted.Store(true)
		c = build()
		err = s.do(ctx, c.key(), what, c)
	}
	return c, err
}

// Read is part of [follow.StorePort].
func (s *server) Read(ctx context.Context, topic string, q follow.Query, mark follow.HighWater, origin follow.Origin) (push.Page, error) {
	meta, stream := s.keys(topic)
	rule := s.options.rules.Of(topic)
	script, keys := s.fetch, []string{meta, stream}
	if rule.State {
		script, keys = s.states.fetch, s.stateKeys(topic)
	}
	mode, limit := "since", broker.Limit{Messages: orMost(q.Limit.Messages), Bytes: orMost(q.Limit.Bytes)}
	if q.Newest {
		mode, limit.Messages = "recent", min(q.Limit.Messages, most)
	}
	args := append(s.headArgs(rule.History.Age, mark, origin, true), mode, limit.Messages, limit.Bytes,
		q.After.Epoch.String(), q.After.Offset, formatTag(q.After.Tag), min(q.Limit.Least, limit.Messages))
	c, err := s.doInSlot(ctx, readKind(topic, q), func() *call {
		c := script.call(s.withGenesis(keys...), args)
		c.size += largestReply(q) // a pipeline mustn't bring too much at once
		return c
	})
	if err != nil {
		return push.Page{}, err
	}
	page, err := s.parsePage(topic, q.Newest, c.command)
	return page, s.inspected(ctx, c, err)
}

// parsePage reads what the read script answers.
func (s *server) parsePage(topic string, newestFirst bool, command *redis.Cmd) (push.Page, error) {
	page, err := parsePage(topic, newestFirst, command)
	for _, m := range page.Messages {
		if err := s.fitsTopic(m); err != nil {
			return push.Page{}, follow.Foreign(err)
		}
	}
	return page, err
}

// largestReply guesses how many bytes a read may bring: most bring much less than
// they may.
func largestReply(q follow.Query) int {
	guess := orMost(q.Limit.Bytes) / 16
	if q.Newest {
		guess = min(q.Limit.Messages<<10, orMost(q.Limit.Bytes))
	}
	return min(guess, maxBatchBytes/4)
}

// most is no limit, in a number that a script can read, and an int hold.
const most = math.MaxInt & (1<<40 - 1)

// orMost returns a limit that zero doesn't bound.
func orMost(n int) int {
	if n == 0 {
		return most
	}
	return min(n, most)
}

// Heads is part of [follow.StorePort].
func (s *server) Heads(ctx context.Context, topics []string) ([]follow.Head, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	calls := make([]*call, len(topics))
	for i, topic := range topics {
		meta, _ := s.keys(topic)
		calls[i] = newCall("hmget", meta, "e", "o", "t", "u")
	}
	meta, _ := s.keys(topics[0])
	if err := s.do(ctx, meta, checkCalls, calls...); err != nil {
		return nil, err
	}
	heads := make([]follow.Head, len(topics))
	for i, c := range calls {
		parts, err := c.command.Slice()
		// A foreign key says nothing of the other topics, and shows when its own is read.
		if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return nil, unavailable(err)
		}
		if len(parts) == 4 && parts[0] != nil {
			heads[i].Position, _ = parsePosition(parts[0], parts[1], parts[2]) // else it is no head
			due, _ := strconv.ParseUint(text(parts[3]), 10, 53)                // which a log hasn't
			heads[i].Due = int64(due)
		}
	}
	return heads, nil
}

// Notify is part of [follow.StorePort].
func (s *server) Notify(ctx context.Context, channel, payload string) error {
	c := newCall("spublish", channel, payload)
	if err := s.do(ctx, channel, checkCalls, c); err != nil {
		return err
	}
	return unavailable(c.command.Err())
}

// Health writes, which says more than a ping: Redis may be full, or a replica now. It calls
// a script, which finds out whether Redis is too old.
func (s *server) Health(ctx context.Context) error {
	key := s.options.genesisKey()
	script := s.genesis.call([]string{key}, []any{rand.Text()})
	calls := []*call{script, newCall("hset", key, "h", 1)}
	if err := s.do(ctx, key, checkCalls, calls...); err != nil {
		return err
	}
	for _, c := range calls {
		if err := c.command.Err(); err != nil {
			return s.inspected(ctx, script, unavailable(err))
		}
	}
	if s.cluster == nil {
		return nil
	}
	return s.heed(ctx, func() error {
		return s.cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return node.Ping(ctx).Err()
		})
	})
}
