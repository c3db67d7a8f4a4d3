package transporttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// DialPoll begins to poll, with a request that doesn't wait. What became of its topics is the
// client's welcome. Next polls when it has returned all frames of the last answer. A poll
// that is refused then is an error, and the end.
func DialPoll(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	return dialPoll(ctx, address, topics, since, newGet)
}

func dialPoll(ctx context.Context, address string, topics []string, since string, newRequest newRequest) (*Client, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &poller{address: address, topics: topics, newRequest: newRequest, transport: new(http.Transport)}
	answer, err := p.ask(ctx, since, "0")
	if err != nil {
		cancel()
		return nil, err
	}
	p.frames = append([]Frame{{Type: protocol.TypeWelcome, Session: "a poll", Topics: answer.Topics}}, p.frames...)
	p.client = NewClient(func() (Frame, error) { return p.next(ctx) }, func() {
		cancel()
		p.transport.CloseIdleConnections()
	})
	return p.client, nil
}

// PollAnswer is the answer to a poll.
type PollAnswer struct {
	Topics []TopicState
	Frames []Frame
	Cursor string
}

// ReadPoll reads an answer, strictly. With another status than 200 the error is a *StatusError.
func ReadPoll(response *http.Response) (answer PollAnswer, err error) {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer, err
	}
	if response.StatusCode != http.StatusOK {
		return answer, &StatusError{response.StatusCode, string(body), response.Header}
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	if err := decoder.Decode(&answer); err != nil {
		return answer, err
	}
	if answer.Frames == nil || answer.Cursor == "" || decoder.More() {
		return answer, fmt.Errorf("not an answer: %.200q", body)
	}
	return answer, nil
}

// newRequest makes the request of a poll for what a form says.
type newRequest func(ctx context.Context, address string, form url.Values) (*http.Request, error)

type poller struct {
	address    string
	topics     []string
	newRequest newRequest
	transport  *http.Transport
	client     *Client
	frames     []Frame // that Next hasn't returned
	last       PollAnswer
	refused    bool // a topic was, in one of the answers
	ended      bool
}

// ask makes one request; wait is in seconds, empty for the server's own time.
func (p *poller) ask(ctx context.Context, since, wait string) (PollAnswer, error) {
	form := url.Values{"topic": p.topics}
	if since != "" {
		form.Set("since", since)
	}
	if wait != "" {
		form.Set("wait", wait)
	}
	r, err := p.newRequest(ctx, p.address, form)
	if err != nil {
		return PollAnswer{}, err
	}
	response, err := p.transport.RoundTrip(r)
	if err != nil {
		return PollAnswer{}, err
	}
	defer response.Body.Close()
	answer, err := ReadPoll(response)
	if err != nil {
		return answer, err
	}
	p.last, p.frames = answer, answer.Frames
	return answer, nil
}

// next returns the next frame. When all of an answer's frames are noted, its cursor must be
// the one that follows from them.
func (p *poller) next(ctx context.Context) (Frame, error) {
	for len(p.frames) == 0 {
		if p.ended {
			return Frame{}, io.EOF
		}
		if err := p.check(); err != nil {
			return Frame{}, err
		}
		_, err := p.ask(ctx, p.last.Cursor, "")
		if refused, ok := errors.AsType[*StatusError](err); ok {
			return p.refusal(refused)
		}
		if err != nil {
			return Frame{}, err
		}
	}
	f := p.frames[0]
	p.frames = p.frames[1:]
	return f, nil
}

// check compares the cursors, unless the client doesn't know those of topics that were refused.
func (p *poller) check() error {
	for _, t := range p.last.Topics {
		p.refused = p.refused || t.Error != nil
	}
	if !p.refused && p.last.Cursor != p.client.Cursor {
		return fmt.Errorf("the answer's cursor is %q, by its frames it is %q", p.last.Cursor, p.client.Cursor)
	}
	return nil
}

// refusal makes an error's frame of a status.
func (p *poller) refusal(e *StatusError) (f Frame, err error) {
	p.ended = true
	if err := json.Unmarshal([]byte(e.Body), &f); err != nil {
		return f, err
	}
	if push.Code(f.Code).HTTPStatus() != e.Status {
		return f, errors.New("status " + strconv.Itoa(e.Status) + " with the code " + f.Code)
	}
	f.Type = protocol.TypeError
	return f, nil
}
