package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
	"github.com/tidewire/tidewire/transport/protocol"
)

// PublisherOptions configures a [Publisher]. The zero value of each field is its
// production default.
type PublisherOptions struct {
	// HTTPClient makes the requests. Unless it has a CheckRedirect, redirects to another
	// origin are refused, since the key isn't for that. Default: one of its own, as
	// http.DefaultTransport.
	HTTPClient *http.Client
	// Timeout is how long Publish takes at most, if its context has no deadline. Default
	// 10 s.
	Timeout time.Duration
	// AttemptTimeout is how long one request may take. Default 5 s.
	AttemptTimeout time.Duration
	// MinBackoff and MaxBackoff bound the wait before the next attempt, as in [Options].
	// Default 100 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration
}

// Publisher publishes by POST …/publish, to a server with transport.Options.PublishKey. It
// is a [push.Publisher] and a [push.StatePublisher]; all methods may be called by any number of goroutines.
type Publisher struct {
	options       PublisherOptions
	backoff       backoff
	poster        poster
	authorization string
	ownHTTP       bool
}

var _ push.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher for the server whose routes are below a URL, such as
// https://example.com/push. It fails only if New does with this URL. More than one
// PublisherOptions panics.
func NewPublisher(address, key string, options ...PublisherOptions) (*Publisher, error) {
	base, err := parseBase(address)
	if err != nil {
		return nil, err
	}
	o := optional.One(options)
	setDefault(&o.Timeout, 10*time.Second)
	setDefault(&o.AttemptTimeout, 5*time.Second)
	setDefault(&o.MinBackoff, 100*time.Millisecond)
	setDefault(&o.MaxBackoff, 5*time.Second)
	requests, own := ownHTTP(o.HTTPClient)
	return &Publisher{
		options: o, backoff: backoff{o.MinBackoff, o.MaxBackoff},
		poster: poster{base, requests}, authorization: "Bearer " + key, ownHTTP: own,
	}, nil
}

// errNotByHTTP refuses what a publish by HTTP doesn't carry.
var errNotByHTTP = push.NewError(push.CodeBadRequest, "a publish by HTTP has no Header and doesn't wait for a replica", nil)

// Publish stores a message; see [push.Publisher] for what a nil error and which errors
// mean. It tries again, with the same ID, on errors of the network and on answers that say
// so (429, 503, any 5xx), until ctx ends, or Options.Timeout has passed if ctx has no
// deadline.
//
// A message without an ID is given one, so that it is stored once however often it is
// sent. Unlike the ID that a hub gives, clients are told it. A message with a Header or with
// Replicated set is refused.
//
// The receipt's position has no tag. The error is a [push.Error] with the server's code, or
// [push.CodeTimeout] if there was no answer in time, which wraps the cause of ctx if that
// has ended.
func (p *Publisher) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if len(m.Header) > 0 || m.Replicated {
		return push.Receipt{}, errNotByHTTP
	}
	ours := m.ID == ""
	if err := prepare(&m); err != nil {
		return push.Receipt{}, err
	}
	query := publishQuery(&m, m.Topic)
	ctx, cancel := withDefault(ctx, p.options.Timeout)
	defer cancel()
	var receipt push.Receipt
	maybe := false // an attempt has had no answer
	err := p.backoff.retry(ctx, func() (t *trouble) {
		receipt, t = p.attempt(ctx, query, &m)
		if t != nil && t.final && maybe {
			t.err = doubt(t.err)
		}
		maybe = maybe || t != nil
		return t
	})
	if ours && maybe {
		receipt.Duplicate = false // it was this call that stored it
	}
	return receipt, err
}

// PublishJSON publishes v as JSON, as [push.Hub.PublishJSON] does. It is Publish with what
// [json.Marshal] makes of v, encoded as [push.EncodingJSON]. A value that can't be
// marshalled is [push.CodeBadRequest], with Marshal's error as the cause; nothing is
// published then.
func (p *Publisher) PublishJSON(ctx context.Context, topic string, v any) (push.Receipt, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return push.Receipt{}, push.NewError(push.CodeBadRequest, "the value can't be encoded as JSON", err)
	}
	return p.Publish(ctx, push.Message{Topic: topic, Data: data, Encoding: push.EncodingJSON})
}

// publishQuery is the query of a publish to topics.
func publishQuery(m *push.Message, topics ...string) url.Values {
	query := url.Values{"topic": topics, "id": {m.ID}}
	if m.Event != "" {
		query.Set("event", m.Event)
	}
	if m.Key != "" {
		query.Set("key", m.Key)
	}
	setChange(query, m)
	return query
}

func (p *Publisher) attempt(ctx context.Context, query url.Values, m *push.Message) (push.Receipt, *trouble) {
	body, t := p.post(ctx, query, m)
	if t != nil {
		return push.Receipt{}, t
	}
	receipt, err := protocol.ParseHTTPReceipt(body)
	if err != nil {
		return push.Receipt{}, noReceipt(err)
	}
	return receipt, nil
}

// post makes one request.
func (p *Publisher) post(ctx context.Context, query url.Values, m *push.Message) ([]byte, *trouble) {
	ctx, cancel := context.WithTimeout(ctx, p.options.AttemptTimeout)
	defer cancel()
	return p.poster.post(ctx, "publish", query, http.Header{"Authorization": {p.authorization}}, m)
}

// noReceipt is an answer that says nothing of the message.
func noReceipt(err error) *trouble {
	return &trouble{err: push.NewError(push.CodeUnavailable, "the answer is no receipt of a Tidewire server", err), final: true}
}

// doubt keeps an error from saying that nothing is stored, when it answers a repetition of
// what may have been. A conflict says so whichever attempt has it.
func doubt(err error) error {
	if !errors.Is(err, push.CodeBadRequest) && !errors.Is(err, push.CodeTooLarge) {
		return err
	}
	return push.NewError(push.CodeUnavailable, "an attempt had no answer, and the next was refused: "+err.Error(), nil)
}

// Close closes the idle connections of a publisher that has an HTTP client of its own. It
// returns nil.
func (p *Publisher) Close() error {
	if p.ownHTTP {
		p.poster.http.CloseIdleConnections()
	}
	return nil
}
