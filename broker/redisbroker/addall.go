package redisbroker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/internal/follow"
)

// AddAll is part of [follow.StorePort]. Additions of one node travel together.
func (s *server) AddAll(ctx context.Context, additions []*follow.Addition) {
	if crossed := s.addAll(ctx, additions); len(crossed) > 0 {
		s.slotted.Store(true) // see doInSlot
		s.addAll(ctx, crossed)
	}
}

// addAll returns those that were refused because the keys of a call have to be of one slot.
func (s *server) addAll(ctx context.Context, additions []*follow.Addition) (crossed []*follow.Addition) {
	var batches []*additionBatch
	filling := map[string]*additionBatch{} // by node
	for _, a := range additions {
		c := s.addition(a.Message, a.Repeatable, a.Mark, a.Origin)
		node, err := s.Node(ctx, c.key())
		if a.Err = err; err != nil {
			continue
		}
		b := filling[node]
		if b == nil || b.isFull() {
			b = &additionBatch{pipeline: s.pipeline(node, addKind(a.Message))}
			filling[node] = b
			batches = append(batches, b)
		}
		b.add(a, c)
	}
	for _, b := range batches {
		b.submit(ctx, s)
	}
	for _, b := range batches {
		crossed = append(crossed, b.finish(ctx, s)...)
	}
	return crossed
}

// additionBatch is additions that fit one round trip.
type additionBatch struct {
	pipeline  *pipeline
	additions []*follow.Addition
	calls     []*call // of the additions
	size      int     // of the calls

	request *request // nil if err says why the calls weren't sent
	err     error
}

func (b *additionBatch) isFull() bool { return len(b.calls) >= maxBatch || b.size >= maxBatchBytes }

func (b *additionBatch) add(a *follow.Addition, c *call) {
	b.additions, b.calls, b.size = append(b.additions, a), append(b.calls, c), b.size+c.size
}

func (b *additionBatch) submit(ctx context.Context, s *server) {
	b.request, b.err = b.pipeline.submit(ctx, b.calls, s.pipelines.start)
}

// finish waits for the outcomes, and returns the additions that addAll returns.
func (b *additionBatch) finish(ctx context.Context, s *server) (crossed []*follow.Addition) {
	if b.err == nil {
		b.err = b.pipeline.wait(ctx, b.request)
	}
	for i, a := range b.additions {
		if b.err != nil { // a call that wasn't waited for belongs to the pipeline
			a.Err = unavailable(b.err)
			continue
		}
		c := b.calls[i]
		a.Receipt, a.Err = s.added(ctx, a.Message, c)
		if redis.HasErrorPrefix(c.command.Err(), "CROSSSLOT") {
			crossed = append(crossed, a)
		}
	}
	return crossed
}
