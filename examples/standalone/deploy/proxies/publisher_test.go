package proxies

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/client"
)

// publisher publishes the numbers from 1 to all topics, one after the other, through the proxy.
type publisher struct {
	end    context.CancelFunc
	ended  chan struct{}
	newest atomic.Int64 // that all topics have
	err    error
}

func startPublisher(t *testing.T, base string, certificate *certificate) *publisher {
	t.Helper()
	requests := httpClient(certificate)
	c, err := client.NewPublisher(base, publishKey, client.PublisherOptions{HTTPClient: requests, Timeout: testaid.Patience})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := &publisher{end: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = p.run(ctx, c)
	}()
	t.Cleanup(func() {
		p.stop()
		_ = c.Close() // nothing is under way
		requests.CloseIdleConnections()
		if p.err != nil {
			t.Errorf("publishing: %v", p.err)
		}
	})
	return p
}

func (p *publisher) run(ctx context.Context, c *client.Publisher) error {
	names := make([]string, topics)
	for i := range names {
		names[i] = topic(i)
	}
	ticker := time.NewTicker(*interval)
	defer ticker.Stop()
	for n := int64(1); ctx.Err() == nil; n++ {
		// What has begun is brought to its end, or nobody would know how far all topics are.
		message := push.Message{Data: strconv.AppendInt(nil, n, 10), Encoding: push.EncodingJSON}
		for _, published := range c.PublishAll(context.WithoutCancel(ctx), message, names...) {
			if published.Err != nil {
				return published.Err
			}
		}
		p.newest.Store(n)
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// some returns when some more messages are published.
func (p *publisher) some(t *testing.T) {
	t.Helper()
	want := p.newest.Load() + 10
	testaid.Eventually(t, "messages are published", func() bool { return p.newest.Load() >= want || isClosed(p.ended) })
}

// stop ends it, and returns the newest message of all topics.
func (p *publisher) stop() int64 {
	p.end()
	<-p.ended
	return p.newest.Load()
}
