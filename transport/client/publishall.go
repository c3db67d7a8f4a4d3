package client

import (
	"context"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// maxPostTopics is how many topics a server lets one request publish to.
const maxPostTopics = 100

// PublishAll publishes m to each of these topics, whatever m.Topic is, and returns what
// became of it, in the order of the topics, as [push.Hub.PublishAll] does. A request has at
// most 100 topics; for more there are several requests at once.
//
// Each topic stands for itself: what Publish promises holds for each receipt and error, and
// those topics whose errors say so are tried again, with the same ID, until ctx ends, or
// Options.Timeout has passed for all topics together if ctx has no deadline. A message
// without an ID is given one, the same in each topic.
//
// A topic that is named again is published to once, and each of its entries says the same.
// More than 1,000 names are all refused with [push.CodeBadRequest].
func (p *Publisher) PublishAll(ctx context.Context, m push.Message, topics ...string) []push.Published {
	return broker.EachTopic(topics, func(distinct []string) ([]push.Published, error) {
		switch {
		case len(m.Header) > 0 || m.Replicated:
			return nil, errNotByHTTP
		case m.Op != broker.OpPublish:
			return nil, errManyChanges
		}
		ours := m.ID == ""
		if err := prepareParts(&m); err != nil {
			return nil, err
		}
		published := p.publishChunks(ctx, &m, distinct)
		if ours {
			for i := range published {
				published[i].Receipt.Duplicate = false // it was this call that stored it
			}
		}
		return published, nil
	}, func(topic string, err error) push.Published {
		return push.Published{Topic: topic, Err: push.AsError(err)}
	})
}

var errManyChanges = push.NewError(push.CodeBadRequest, "a change is of one topic", nil)

// publishChunks publishes to different topics, with as many requests at once as they need.
func (p *Publisher) publishChunks(ctx context.Context, m *push.Message, topics []string) []push.Published {
	ctx, cancel := withDefault(ctx, p.options.Timeout)
	defer cancel()
	published := make([]push.Published, len(topics))
	var good []*push.Published
	for i, topic := range topics {
		published[i].Topic = topic
		if err := broker.CheckTopic(topic); err != nil {
			published[i].Err = push.AsError(err)
			continue
		}
		good = append(good, &published[i])
	}
	var work sync.WaitGroup
	for chunk := range slices.Chunk(good, maxPostTopics) {
		work.Go(func() { p.publishChunk(ctx, m, chunk) })
	}
	work.Wait()
	return published
}

// publishChunk publishes to the topics of one request, and again to those that are left.
func (p *Publisher) publishChunk(ctx context.Context, m *push.Message, left []*push.Published) {
	maybe := false // an attempt before this one has failed, and may have stored something
	_ = p.backoff.retry(ctx, func() (longest *trouble) {
		var again []*push.Published
		for i, t := range p.attemptAll(ctx, m, left) {
			one := left[i]
			switch {
			case t == nil:
				one.Err = nil
			case t.final && maybe:
				one.Err = doubt(asError(t.err))
			case t.final:
				one.Err = asError(t.err)
			default:
				one.Err = t.err
				again = append(again, one)
				if longest == nil || longest.after < t.after {
					longest = t
				}
			}
		}
		left, maybe = again, true
		return longest
	})
	for _, one := range left { // each has had a trouble of its own
		if ctx.Err() != nil {
			one.Err = unanswered(ctx, one.Err)
		} else {
			one.Err = asError(one.Err)
		}
	}
}

// attemptAll makes one request. It notes the receipts, and returns the trouble with each
// topic.
func (p *Publisher) attemptAll(ctx context.Context, m *push.Message, all []*push.Published) []*trouble {
	topics := make([]string, len(all))
	for i, one := range all {
		topics[i] = one.Topic
	}
	query := publishQuery(m, topics...)
	if len(all) == 1 { // the answer has another form
		var t *trouble
		all[0].Receipt, t = p.attempt(ctx, query, m)
		return []*trouble{t}
	}
	body, t := p.post(ctx, query, m)
	if t != nil {
		return slices.Repeat([]*trouble{t}, len(all))
	}
	results, err := protocol.ParseHTTPPublished(body)
	if err != nil || !slices.EqualFunc(results, topics, func(r protocol.Result, topic string) bool { return r.Topic == topic }) {
		return slices.Repeat([]*trouble{noReceipt(err)}, len(all))
	}
	troubles := make([]*trouble, len(all))
	for i, r := range results {
		if all[i].Receipt = r.Receipt; r.Failure != nil {
			troubles[i] = refused(r.Failure)
		}
	}
	return troubles
}
