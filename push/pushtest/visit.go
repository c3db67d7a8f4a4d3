package pushtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// visit is one request to a route. Its methods return what is wrong, and what to change.
type visit struct {
	client  *Client
	http    *http.Client
	route   string
	version int // of HTTP
}

// do makes a request. An answer that isn't good is an error; the body of one that is has to
// be closed.
func (v visit) do(ctx context.Context, method string, query url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, v.client.address(v.route)+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header = v.client.header()
	if v.route == "sse" { // the answers of the others may be compressed
		r.Header.Set("Accept-Encoding", "gzip")
	}
	response, err := v.http.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	return nil, status(response)
}

// file gets the browser client.
func (v visit) file(ctx context.Context) error {
	response, err := v.do(ctx, http.MethodGet, nil)
	if err != nil {
		return v.explain(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/javascript") {
		return fmt.Errorf("something else than the hub's routes answers, with %q: mount transport.Routes(hub) here", kind)
	}
	return nil
}

// socket opens a WebSocket, which HTTP/2 has none of.
func (v visit) socket(ctx context.Context) error {
	if v.version == 2 {
		return nil
	}
	l, err := v.client.openSocket(ctx)
	if err != nil {
		return v.explain(err)
	}
	defer l.close()
	text, err := l.read()
	if err != nil {
		return v.explain(err)
	}
	frame, err := protocol.ParseFrame(text)
	if err != nil {
		return err
	}
	if frame.Type == protocol.TypeError {
		return v.explain(refused(frame.Failure))
	}
	return nil
}

// stream waits for the first event.
func (v visit) stream(ctx context.Context) error {
	response, err := v.do(ctx, http.MethodGet, url.Values{"topic": {v.client.options.topic}})
	if err != nil {
		return v.explain(err)
	}
	defer response.Body.Close()
	if err := plain(response); err != nil {
		return err
	}
	first := &stream{body: response.Body, lines: bufio.NewReader(response.Body)}
	if _, err := first.read(); err != nil {
		return v.explain(err)
	}
	return nil
}

// poll waits for an answer.
func (v visit) poll(ctx context.Context) error {
	response, err := v.do(ctx, http.MethodGet, url.Values{"topic": {v.client.options.topic}, "wait": {"0"}})
	if err != nil {
		return v.explain(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err != nil {
		return v.explain(err)
	}
	return nil
}

// post posts nothing, which the hub refuses in its own words.
func (v visit) post(ctx context.Context) error {
	response, err := v.do(ctx, http.MethodPost, nil)
	if err == nil {
		return response.Body.Close()
	}
	refusal, ok := errors.AsType[*refusal](err)
	switch {
	case ok && isOurs(refusal.err):
		return nil
	case ok:
		return fmt.Errorf("the hub doesn't get a POST (%s): the router and its middleware have to let it through", refusal.status)
	default:
		return v.explain(err)
	}
}

// plain refuses what is compressed.
func plain(response *http.Response) error {
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" {
		return fmt.Errorf("a middleware compresses the stream (Content-Encoding: %s), which holds events back: mount the routes above it", encoding)
	}
	return nil
}

func isOurs(err error) bool {
	_, ok := errors.AsType[*push.Error](err)
	return ok
}

// explain says what to do about an error.
func (v visit) explain(err error) error {
	e, ours := errors.AsType[*push.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("nothing came within %v: a middleware holds the answer back until it is whole; mount the routes above it", patience)
	case !ours:
		return fmt.Errorf("the hub isn't reached: %w", err)
	case e.Code == push.CodeUnauthenticated:
		return fmt.Errorf("these credentials aren't good (%w): give CheckMount those of a client, by As, Header or Cookie", e)
	case e.Code == push.CodeForbidden && v.route != "ws":
		return fmt.Errorf("the topic %q is refused (%w): give CheckMount a pushtest.Topic that these credentials may follow", v.client.options.topic, e)
	default:
		return e
	}
}
