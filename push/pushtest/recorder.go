package pushtest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// Recorder stands for a hub in the tests of code that publishes: a [push.Publisher] and a
// [push.StatePublisher] with the methods PublishJSON and PublishAll of a [push.Hub]. What it
// takes and refuses is what a broker does, and [Record] is what it has taken.
type Recorder struct {
	*Record
	rules  bool
	log    *membroker.Broker
	states *membroker.Broker // for states, if there are no rules

	mu      sync.Mutex // guards the rest
	failure error
	kinds   map[string]bool // whether a topic is a state
}

var (
	_ push.Publisher      = (*Recorder)(nil)
	_ push.StatePublisher = (*Recorder)(nil)
)

// NewRecorder makes a recorder. Without options a topic is a log or a state by what is
// published to it first; otherwise it is what the rules say. More than one panics.
func NewRecorder(t testing.TB, store ...membroker.Options) *Recorder {
	t.Helper()
	o := optional.One(store)
	r := &Recorder{Record: newRecord(t, "recorder"), rules: len(o.Topics) > 0, kinds: map[string]bool{}}
	r.log = membroker.New(o)
	r.states = r.log
	if !r.rules {
		o.Topics = []push.TopicRule{{Pattern: "{all...}", State: true}}
		r.states = membroker.New(o)
	}
	t.Cleanup(func() {
		_ = r.log.Close(context.Background()) // it never fails
		_ = r.states.Close(context.Background())
	})
	return r
}

// Fail makes each publish fail with an error, until Fail(nil).
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = err
}

// Publish records a message; see [push.Publisher].
func (r *Recorder) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	to, err := r.brokerOf(m)
	if err != nil {
		return push.Receipt{}, err
	}
	return r.publish(ctx, to, m)
}

// brokerOf returns what a message goes to.
func (r *Recorder) brokerOf(m push.Message) (*membroker.Broker, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return nil, r.failure
	}
	isState, known := r.kinds[m.Topic]
	if !known && !r.rules {
		isState = m.Op != broker.OpPublish
		r.kinds[m.Topic] = isState
	}
	if isState {
		return r.states, nil
	}
	return r.log, nil
}

// PublishJSON records a value as JSON, as that of a [push.Hub].
func (r *Recorder) PublishJSON(ctx context.Context, topic string, v any) (push.Receipt, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return push.Receipt{}, push.NewError(push.CodeBadRequest, "the value can't be encoded as JSON", err)
	}
	return r.Publish(ctx, push.Message{Topic: topic, Data: data, Encoding: push.EncodingJSON})
}

// PublishAll records a message in several topics, as that of a [push.Hub].
func (r *Recorder) PublishAll(ctx context.Context, m push.Message, topics ...string) []push.Published {
	return broker.EachTopic(topics, func(distinct []string) ([]push.Published, error) {
		published := make([]push.Published, len(distinct))
		for i, topic := range distinct {
			m.Topic = topic
			receipt, err := r.Publish(ctx, m)
			published[i] = push.Published{Topic: topic, Receipt: receipt, Err: err}
		}
		return published, nil
	}, func(topic string, err error) push.Published {
		return push.Published{Topic: topic, Err: push.AsError(err)}
	})
}

// Set records that a key is set.
func (r *Recorder) Set(ctx context.Context, m push.Message) (push.Receipt, error) {
	return r.change(ctx, broker.OpSet, m)
}

// Append records that text is appended to a key.
func (r *Recorder) Append(ctx context.Context, m push.Message) (push.Receipt, error) {
	return r.change(ctx, broker.OpAppend, m)
}

// Delete records that a key is deleted.
func (r *Recorder) Delete(ctx context.Context, m push.Message) (push.Receipt, error) {
	return r.change(ctx, broker.OpDelete, m)
}

// Touch renews the time of a key.
func (r *Recorder) Touch(ctx context.Context, m push.Message) (push.Receipt, error) {
	return r.change(ctx, broker.OpTouch, m)
}

func (r *Recorder) change(ctx context.Context, op broker.Op, m push.Message) (push.Receipt, error) {
	m.Op = op
	return r.Publish(ctx, m)
}
