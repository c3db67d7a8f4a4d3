package redisbroker

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

//go:embed head.lua
var headLua string

//go:embed publish.lua
var publishLua string

//go:embed read.lua
var readLua string

// server is the real port: Redis behind the application's client.
type server struct {
	// static
	client  redis.UniversalClient
	cluster *redis.ClusterClient // the same client, if it is one of a Cluster
	options Options
	publish *script
	fetch   *script
	store   storeScripts

	beginnings *script // for the genesis

	known   atomic.Bool // the Cluster has told once where its slots are
	slotted atomic.Bool // a call's keys have to be of one slot, as on a Cluster
	lanes   lanes
}

func newServer(client redis.UniversalClient, o Options) *server {
	s := &server{
		client: client, options: o,
		publish: newScript(headLua + publishLua), fetch: newScript(headLua + readLua), store: newStoreScripts(),
		beginnings: newScript(headLua + genesisLua),
	}
	s.cluster, _ = client.(*redis.ClusterClient)
	s.slotted.Store(s.cluster != nil)
	return s
}

func (s *server) close(ctx context.Context) error { return s.lanes.close(ctx) }

// keys are the topic's keys: its head and its history.
func (s *server) keys(topic string) (meta, stream string) {
	meta, stream, _ = s.options.topicKeys(topic, "")
	return meta, stream
}

func (s *server) add(ctx context.Context, m *push.Message, repeatable bool, w witness, o origin) (push.Receipt, error) {
	what := addCalls
	if m.Replicated {
		what = replicatedCalls
	}
	c, err := s.doInSlot(ctx, what, func() *call { return s.addition(m, repeatable, w, o) })
	if err != nil {
		return push.Receipt{}, err
	}
	receipt, err := parseReceipt(m.ID, c.command)
	if err == nil && m.Replicated && c.replicas == 0 {
		err = push.ErrNotReplicated
	}
	return receipt, s.inspected(ctx, c, err)
}

// addition is the call that adds a message.
func (s *server) addition(m *push.Message, repeatable bool, w witness, o origin) *call {
	channel := s.options.channel(m.Topic)
	meta, stream, id := s.options.topicKeys(m.Topic, m.ID)
	retry, sum := time.Duration(0), ""
	if repeatable {
		retry, sum = s.options.Retry, content(m)
	}
	body, h := encodeBody(m), s.options.History
	args := append(s.headArgs(w, o, o.fresh), newTag(), body, m.Size(), sum,
		min(int64(h.Messages), push.MaxOffset), h.Bytes, retry.Milliseconds(), "SPUBLISH", channel)
	c := s.publish.call(s.withGenesis(meta, stream, id), args)
	c.size += len(body)
	return c
}

// headArgs are the first arguments of the scripts that need a topic's head: how it begins
// if it isn't there, what it must have, and how long it is kept. On a Cluster, where the
// scripts can't see the genesis, sure says that it is the one.
func (s *server) headArgs(w witness, o origin, sure bool) []any {
	epoch, genesis := "", ""
	if o.epoch != 0 {
		epoch = o.epoch.String()
	}
	if sure {
		genesis = o.genesis
	}
	args := append([]any{newEpoch(), epoch, o.genesis, genesis}, witnessArgs(w)...)
	return append(args, s.options.History.Age.Milliseconds(), s.options.Keep.Milliseconds())
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

func (s *server) read(ctx context.Context, topic string, q query, w witness, o origin) (push.Page, error) {
	meta, stream := s.keys(topic)
	mode, limit := "since", push.Limit{Messages: orMost(q.limit.Messages), Bytes: orMost(q.limit.Bytes)}
	if q.newest {
		mode, limit.Messages = "recent", min(q.limit.Messages, most)
	}
	args := append(s.headArgs(w, o, true), mode, limit.Messages, limit.Bytes,
		q.after.Epoch.String(), q.after.Offset, formatTag(q.after.Tag), min(q.limit.Least, limit.Messages))
	c, err := s.doInSlot(ctx, readKind(topic, q), func() *call {
		c := s.fetch.call(s.withGenesis(meta, stream), args)
		c.size += largestReply(q) // a pipeline mustn't bring too much at once
		return c
	})
	if err != nil {
		return push.Page{}, err
	}
	page, err := parsePage(topic, q.newest, c.command)
	return page, s.inspected(ctx, c, err)
}

// largestReply guesses how many bytes a read may bring: most bring much less than
// they may.
func largestReply(q query) int {
	if q.newest {
		return min(q.limit.Messages<<10, maxBatchBytes/4)
	}
	return min(orMost(q.limit.Bytes)/16, maxBatchBytes/4)
}

// most is no limit, in a number that a script can read, and an int hold.
const most = math.MaxInt & (1<<40 - 1)

// orMost gives a limit that zero doesn't bound.
func orMost(n int) int {
	if n == 0 {
		return most
	}
	return min(n, most)
}

func (s *server) heads(ctx context.Context, topics []string) ([]push.Position, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	calls := make([]*call, len(topics))
	for i, topic := range topics {
		meta, _ := s.keys(topic)
		calls[i] = newCall("hmget", meta, "e", "o", "t")
	}
	meta, _ := s.keys(topics[0])
	if err := s.do(ctx, meta, checkCalls, calls...); err != nil {
		return nil, err
	}
	heads := make([]push.Position, len(topics))
	for i, c := range calls {
		parts, err := c.command.Slice()
		// A foreign key says nothing of the other topics, and shows when its own is read.
		if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return nil, unavailable(err)
		}
		if len(parts) == 3 && parts[0] != nil {
			heads[i], _ = parsePosition(parts[0], parts[1], parts[2]) // else it is no head
		}
	}
	return heads, nil
}

func (s *server) notify(ctx context.Context, channel, text string) error {
	c := newCall("spublish", channel, text)
	if err := s.do(ctx, channel, checkCalls, c); err != nil {
		return err
	}
	return unavailable(c.command.Err())
}

// health writes, which tells more than a ping: Redis may be full, or a replica now.
// It calls a script, which tells whether Redis is too old.
func (s *server) health(ctx context.Context) error {
	key := s.options.genesisKey()
	script := s.beginnings.call([]string{key}, []any{rand.Text()})
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

// heed returns when the context ends, which go-redis does only if it was told to.
func (s *server) heed(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	if !s.lanes.start(func() { done <- f() }) {
		return errClosed
	}
	select {
	case err := <-done:
		return unavailable(err)
	case <-ctx.Done():
		return push.AsError(ctx.Err())
	}
}

// Kinds of calls, each with lanes of its own: a long read of history, of which clients
// may ask for many, holds up nothing else.
const (
	addCalls        = "add"
	replicatedCalls = "replicated"
	historyCalls    = "history"
	checkCalls      = "check" // of heads, of what is heard and of health
	hubCalls        = "hub"   // what hubs store, and read of topics of their own
)

// readKind is the kind of a read.
func readKind(topic string, q query) string {
	switch {
	case strings.HasPrefix(topic, push.ReservedTopicPrefix):
		return hubCalls
	case q.newest && q.limit.Messages == 0:
		return checkCalls // only the head
	default:
		return historyCalls
	}
}

// do sends calls to the node of a key, together, and waits for all replies.
func (s *server) do(ctx context.Context, key, what string, calls ...*call) error {
	node, err := s.place(ctx, key)
	if err != nil {
		return err
	}
	send := s.send
	if what == replicatedCalls {
		send = s.sendReplicated
	}
	lane := s.lanes.at(laneKind{node, what}, send)
	if err := lane.do(ctx, calls, s.lanes.start); err != nil {
		return unavailable(err)
	}
	return nil
}

// send carries calls out in one pipeline.
func (s *server) send(ctx context.Context, calls []*call) {
	s.exec(ctx, s.client.Pipeline(), calls)
	if unknown := withoutScript(calls); len(unknown) > 0 {
		s.exec(ctx, s.client.Pipeline(), unknown)
	}
}

// sendReplicated carries calls out, and waits on their connection for a replica.
func (s *server) sendReplicated(ctx context.Context, calls []*call) {
	s.execReplicated(ctx, calls)
	if unknown := withoutScript(calls); len(unknown) > 0 {
		s.execReplicated(ctx, unknown)
	}
}

func (s *server) execReplicated(ctx context.Context, calls []*call) {
	pipeline := s.client.Pipeline()
	if s.cluster != nil { // WAIT has no key that would bring it to the right node
		owner, err := s.cluster.MasterForKey(ctx, calls[0].key())
		if err != nil {
			for _, c := range calls {
				c.command.SetErr(err)
			}
			return
		}
		pipeline = owner.Pipeline()
	}
	confirmed := redis.NewIntCmd(ctx, "wait", 1, s.options.ReplicaTimeout.Milliseconds())
	s.exec(ctx, pipeline, calls, confirmed)
	for _, c := range calls {
		c.replicas = int(confirmed.Val())
	}
}

// exec sends a pipeline. What comes of each call is found in its command.
func (s *server) exec(ctx context.Context, pipeline redis.Pipeliner, calls []*call, more ...redis.Cmder) {
	for _, c := range calls {
		_ = pipeline.Process(ctx, c.once())
	}
	for _, command := range more {
		_ = pipeline.Process(ctx, command)
	}
	_, err := pipeline.Exec(ctx)
	if err != nil && s.cluster != nil {
		s.cluster.ReloadState(ctx)
	}
	for _, c := range calls {
		switch {
		case c.command.Err() != nil:
			c.command.SetErr(s.explained(c.command.Err()))
		case err != nil && c.command.Val() == nil: // not sent: the connection isn't admitted
			c.command.SetErr(err)
		}
	}
}

// explained gives an error as what it means with this client. One of a single node
// doesn't follow slots.
func (s *server) explained(err error) error {
	if s.cluster == nil && redis.HasErrorPrefix(err, "MOVED") {
		return errCluster
	}
	return err
}

// inspected adds to an error of foreign data which of the call's keys are there, and
// of what type.
func (s *server) inspected(ctx context.Context, c *call, err error) error {
	var r *refused
	if !isForeign(err) || !errors.As(err, &r) {
		return err
	}
	keys := c.keys()
	types := make([]*call, len(keys))
	for i, key := range keys {
		types[i] = newCall("type", key)
	}
	if s.do(ctx, keys[0], checkCalls, types...) != nil {
		return err
	}
	for i, key := range keys {
		if what, err := types[i].command.Text(); err == nil && what != "none" {
			r.found = append(r.found, quoted(key)+" is a "+shortened(what))
		}
	}
	return err
}
