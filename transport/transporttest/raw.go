package transporttest

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// DialRaw opens an event stream with format=raw as an EventSource does that comes back. A
// message's frame has the payload as its data, the name of its event, and what the event's id
// says: which topic's cursor has moved, and how. It has no more parts.
func DialRaw(ctx context.Context, address string, topics []string, since string) (*Client, error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if since != "" {
		header.Set("Last-Event-ID", since)
	}
	body, stop, err := get(ctx, new(http.Transport), query(address, topics, "")+"&format="+protocol.FormatRaw, header)
	if err != nil {
		return nil, err
	}
	return newRawClient(body, stop), nil
}

func newRawClient(body io.Reader, stop func()) *Client {
	r := rawReader{eventReader: eventReader{lines: bufio.NewReader(body)}, topics: map[string]string{}}
	return NewClient(r.next, stop)
}

// rawReader reads an event stream of format=raw.
type rawReader struct {
	eventReader
	topics map[string]string // by the constant part of their cursors
}

func (r *rawReader) next() (f Frame, err error) {
	before := r.id
	name, data, err := r.event()
	if err != nil {
		return f, err
	}
	if strings.HasPrefix(name, broker.ReservedEventPrefix) {
		if f, err = decode(data); err != nil {
			return f, err
		}
		r.note(f.Topic, f.Cursor)
		for _, t := range f.Topics {
			r.note(t.Topic, t.Cursor)
		}
	} else {
		f = Frame{Type: protocol.TypeMessage, Event: name, Data: Data(data)}
		f.Topic, f.At = r.moved(before)
	}
	f.EventID, f.EventName = r.id, name
	return f, nil
}

func (r *rawReader) note(topic, at string) {
	if at != "" {
		r.topics[at[:cursor.Constant]] = topic
	}
}

// moved returns the topic whose cursor isn't what it was in the id before, and the part of
// it that moves; nothing if they are all the same.
func (r *rawReader) moved(before string) (topic, at string) {
	old := strings.Split(before, cursor.Separator)
	for i, now := range strings.Split(r.id, cursor.Separator) {
		if len(now) > cursor.Constant && (i >= len(old) || old[i] != now) {
			return r.topics[now[:cursor.Constant]], now[cursor.Constant:]
		}
	}
	return "", ""
}
