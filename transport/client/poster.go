package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/push"
)

// poster makes requests of one message each.
type poster struct {
	base *url.URL
	http *http.Client
}

// contentTypes are how a server knows an encoding.
var contentTypes = map[push.Encoding]string{
	push.EncodingText:   "text/plain; charset=utf-8",
	push.EncodingJSON:   "application/json",
	push.EncodingBinary: "application/octet-stream",
}

// post sends a message's data to a route, and returns the body of the answer. The header is
// the caller's to give away.
func (p *poster) post(ctx context.Context, route string, query url.Values, header http.Header, m *push.Message) ([]byte, *trouble) {
	address := p.base.JoinPath(route)
	address.RawQuery = query.Encode()
	var connects, connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connects.Store(true) }, // not called by a RoundTripper of another kind, which may have sent something
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	request, err := http.NewRequestWithContext(traced, http.MethodPost, address.String(), bytes.NewReader(m.Data))
	if err != nil {
		return nil, &trouble{err: err, final: true}
	}
	request.Header = header
	request.Header.Set("Content-Type", contentTypes[m.Encoding])
	response, err := p.http.Do(request)
	if err != nil {
		return nil, &trouble{err: cause(ctx, err), foreign: true, unsent: connects.Load() && !connected.Load()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return nil, broken(cause(ctx, err))
	}
	if response.StatusCode == http.StatusOK {
		return body, nil
	}
	t := status(response.StatusCode, response.Header, body)
	if t.foreign && t.status != http.StatusTooManyRequests && t.status < 500 {
		t.final = true
	}
	return nil, t
}

// maxReply is how much is read of an answer.
const maxReply = 16 << 20

// retry makes attempts until one succeeds, has a final trouble, or ctx ends. It doesn't
// wait for what would come after the deadline.
func (b backoff) retry(ctx context.Context, attempt func() *trouble) error {
	for failures := 0; ; failures++ {
		t := attempt()
		switch {
		case t == nil:
			return nil
		case t.final:
			return asError(t.err)
		case ctx.Err() != nil:
			return unanswered(ctx, t.err)
		}
		wait := b.wait(failures, t.after)
		if deadline, ok := ctx.Deadline(); ok && wait >= time.Until(deadline) && t.after > 0 {
			return asError(t.err)
		}
		if !sleep(ctx, wait) {
			return unanswered(ctx, t.err)
		}
	}
}

// asError returns err if it says what it is, or else as a [push.Error] that doesn't say
// that nothing has happened.
func asError(err error) error {
	if errors.As(err, new(*push.Error)) || errors.Is(err, ErrClosed) {
		return err
	}
	return push.NewError(push.CodeUnavailable, "", err)
}

// unanswered is the error of what has no answer when ctx ends; last is the last trouble.
func unanswered(ctx context.Context, last error) error {
	return push.NewError(push.CodeTimeout, "no answer in time; it may have been done", ended(ctx, last))
}

// ended is the cause of a context that has ended, together with the last trouble if that
// is another.
func ended(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	if last == nil || errors.Is(last, cause) {
		return cause
	}
	return fmt.Errorf("%w; the last error: %w", cause, last)
}
