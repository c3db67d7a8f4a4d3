package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// stream is an event stream, which only receives.
type stream struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	silent *time.Timer
	body   io.ReadCloser
	events *events
	after  time.Duration // until the stream counts as dead
}

// maxAnswer is how much is read of an answer that isn't a stream.
const maxAnswer = 64 << 10

func (c *Client) openStream(ctx context.Context, header http.Header, topics []protocol.Follow) (link, *trouble) {
	ctx, cancel := context.WithCancelCause(ctx)
	address := c.base.JoinPath("sse")
	address.RawQuery = streamQuery(topics)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, &trouble{err: err, final: true}
	}
	request.Header = header
	request.Header.Set("Accept", "text/event-stream")
	requests := *c.poster.http
	requests.Timeout = 0
	response, err := requests.Do(request)
	if err != nil {
		t := broken(cause(ctx, err)) // before cancel is a cause
		cancel(nil)
		return nil, t
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // a part says nothing
		_ = response.Body.Close()
		cancel(nil)
		if response.StatusCode == http.StatusOK {
			return nil, broken(fmt.Errorf("client: the answer is %q and no event stream", kind))
		}
		return nil, status(response.StatusCode, response.Header, body)
	}
	s := &stream{ctx: ctx, cancel: cancel, body: response.Body}
	s.silent = time.AfterFunc(time.Hour, func() { cancel(errSilent) })
	s.silent.Stop()
	s.events = newEvents(s, int(c.options.MaxFrame))
	return s, nil
}

// streamQuery asks for topics in a URL.
func streamQuery(topics []protocol.Follow) string {
	query := url.Values{"v": {"1"}}
	for _, t := range topics {
		if t.State {
			query.Add("state", t.Topic)
		} else {
			query.Add("topic", t.Topic)
		}
	}
	if n := recentOf(topics); n > 0 {
		query.Set("recent", strconv.Itoa(n))
	}
	if since := joined(topics); since != "" {
		query.Set("since", since)
	}
	return query.Encode()
}

// recentOf returns the number of recent messages that a stream asks for: that of the topics
// without a cursor, which is the same for all of them, or else that of all topics. If they
// differ, it is none, since a topic would get what it didn't ask for.
func recentOf(topics []protocol.Follow) int {
	logs := slices.DeleteFunc(slices.Clone(topics), func(t protocol.Follow) bool { return t.State })
	for _, t := range logs {
		if t.Since == "" {
			return t.Recent
		}
	}
	for _, t := range logs {
		if t.Recent != logs[0].Recent {
			return 0
		}
	}
	if len(logs) == 0 {
		return 0
	}
	return logs[0].Recent
}

// joined returns the cursors of topics as one; empty if there is none. One that can't be read
// would spoil those that can.
func joined(topics []protocol.Follow) string {
	var cursors []string
	unread := map[string]int{} // the index of such a cursor, by topic
	for _, t := range topics {
		if t.Since == "" {
			continue
		}
		if _, err := cursor.Parse(t.Since); err != nil {
			unread[t.Topic] = len(cursors)
		}
		cursors = append(cursors, t.Since)
	}
	if len(unread) < len(cursors) {
		for topic, i := range unread {
			cursors[i] = nowhere(topic)
		}
	}
	return strings.Join(cursors, cursor.Separator)
}

// Read reads what has come of the stream, which shows that the server lives.
func (s *stream) Read(p []byte) (int, error) {
	s.silent.Reset(s.after)
	defer s.silent.Stop()
	return s.body.Read(p)
}

func (s *stream) read(patience time.Duration) ([]byte, *trouble) {
	s.after = patience
	frame, err := s.events.next()
	switch {
	case err == nil:
		return frame, nil
	case errors.Is(err, errTooLong):
		return nil, tooLarge(err)
	default:
		return nil, broken(cause(s.ctx, err))
	}
}

func (s *stream) write([]byte) error { return errors.ErrUnsupported }

func (s *stream) close(bool) {
	s.cancel(nil)
	s.silent.Stop()
	_ = s.body.Close()
}

// cause returns why a context has ended, if it has, instead of what that has led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
