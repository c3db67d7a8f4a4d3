package redisbroker

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// Kinds of calls, each with pipelines of its own: a long read of history, of which clients
// may ask for many, holds up nothing else.
const (
	addCalls        = "add"
	replicatedCalls = "replicated"
	historyCalls    = "history"
	stateCalls      = "state" // that read all keys of a state
	checkCalls      = "check" // of heads, of what is heard and of health
	hubCalls        = "hub"   // what hubs store, and read of topics of their own
)

// readKind is the kind of a read.
func readKind(topic string, q follow.Query) string {
	switch {
	case strings.HasPrefix(topic, broker.ReservedTopicPrefix):
		return hubCalls
	case q.Newest && q.Limit.Messages == 0:
		return checkCalls // only the head
	default:
		return historyCalls
	}
}

// do sends calls to the node of a key, together, and waits for all replies.
func (s *server) do(ctx context.Context, key, what string, calls ...*call) error {
	node, err := s.Node(ctx, key)
	if err != nil {
		return err
	}
	return unavailable(s.pipeline(node, what).do(ctx, calls, s.pipelines.start))
}

// pipeline is that of a node for a kind of calls.
func (s *server) pipeline(node, what string) *pipeline {
	send := s.send
	if what == replicatedCalls {
		send = s.sendReplicated
	}
	return s.pipelines.at(pipelineKey{node, what}, send)
}

// send carries calls out in one round trip.
func (s *server) send(ctx context.Context, calls []*call) {
	defer s.figures.begin(calls)()
	s.exec(ctx, s.client.Pipeline(), calls)
	if unknown := withoutScript(calls); len(unknown) > 0 {
		s.exec(ctx, s.client.Pipeline(), unknown)
	}
}

// sendReplicated carries calls out, and waits on their connection for a replica.
func (s *server) sendReplicated(ctx context.Context, calls []*call) {
	defer s.figures.begin(calls)()
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

// exec sends calls in one round trip. The outcome of each is in its command.
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

// explained returns what an error means with this client: one of a single node doesn't
// follow slots.
func (s *server) explained(err error) error {
	if s.cluster == nil && redis.HasErrorPrefix(err, "MOVED") {
		return errCluster
	}
	return err
}

// inspected adds to an error of foreign data which of the call's keys are there, and
// of what type.
func (s *server) inspected(ctx context.Context, c *call, err error) error {
	var r *follow.RefusalError
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
			r.Details = append(r.Details, follow.Quoted(key)+" is a "+follow.Shortened(what))
		}
	}
	return err
}

// heed calls f, and returns when the context ends, which go-redis does only if it is
// configured to.
func (s *server) heed(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	if !s.pipelines.start(func() { done <- f() }) {
		return follow.ErrClosed
	}
	select {
	case err := <-done:
		return unavailable(err)
	case <-ctx.Done():
		return push.AsError(ctx.Err())
	}
}
