package transporttest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// DialSSEByPost opens an event stream by a POST, with each topic's cursor by itself. Its events
// must have no ids.
func DialSSEByPost(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return SSEByPostOver(new(http.Transport))(ctx, address, topics, since)
}

// SSEByPostOver is DialSSEByPost over connections like those of a transport.
func SSEByPostOver(like *http.Transport) Dial {
	return func(ctx context.Context, address string, topics []string, since string) (*Client, error) {
		body, stop, err := post(ctx, like.Clone(), address, url.Values{"topic": topics, "since": strings.Split(since, cursor.Separator)})
		if err != nil {
			return nil, err
		}
		events := eventReader{lines: bufio.NewReader(body)}
		return NewClient(func() (Frame, error) {
			f, err := events.next()
			if err == nil && events.id != "" {
				err = fmt.Errorf("an event has the id %q", events.id)
			}
			return f, err
		}, stop), nil
	}
}

// DialRawByPost opens an event stream with format=raw by a POST. Its events have ids.
func DialRawByPost(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	body, stop, err := post(ctx, new(http.Transport), address,
		url.Values{"topic": topics, "since": {since}, "format": {protocol.FormatRaw}})
	if err != nil {
		return nil, err
	}
	return newRawClient(body, stop), nil
}

// DialPollByPost is DialPoll by POSTs.
func DialPollByPost(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return dialPoll(ctx, address, topics, since, newPost)
}

// newPost makes a request that has in its body what a GET would have in its URL, but for the
// parameters that aren't the transports'.
func newPost(ctx context.Context, address string, form url.Values) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	for _, name := range []string{"topic", "state", "since", "recent", "wait", "v", "format"} {
		if values, ok := query[name]; ok {
			form[name] = append(slices.Clip(values), form[name]...)
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8") // as fetch has it
	return r, nil
}

// newGet makes a request that has all in its URL.
func newGet(ctx context.Context, address string, form url.Values) (*http.Request, error) {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, address+separator+form.Encode(), nil)
}

func post(ctx context.Context, transport *http.Transport, address string, form url.Values) (io.Reader, func(), error) {
	r, err := newPost(ctx, address, form)
	if err != nil {
		return nil, nil, err
	}
	return request(transport, r)
}
