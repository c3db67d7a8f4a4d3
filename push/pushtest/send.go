package pushtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// answer is what became of a message that was sent.
type answer struct {
	reply push.Reply
	err   error
}

var errCut = errors.New("pushtest: the connection ended before the reply came")

// Send sends a message to the application and returns its reply: a string as text, a []byte as
// binary data, a [push.Message] as it is, and any other value as JSON. An error fails the
// test; see [Client.TrySend].
func (c *Client) Send(topic string, data any) push.Reply {
	c.t.Helper()
	m := push.Message{}
	switch data := data.(type) {
	case string:
		m.Data = []byte(data)
	case []byte:
		m.Data, m.Encoding = data, push.EncodingBinary
	case push.Message:
		m = data
	default:
		text, err := json.Marshal(data)
		if err != nil {
			c.t.Fatalf("pushtest: what is to be sent isn't JSON: %v", err)
		}
		m.Data, m.Encoding = text, push.EncodingJSON
	}
	m.Topic = topic
	reply, err := c.TrySend(m)
	if err != nil {
		c.t.Fatalf("pushtest: %v can't send to %q: %v", c, topic, err)
	}
	return reply
}

// TrySend is Send for what may be refused: it returns why, as a [push.Error]. It takes Topic,
// Event, ID, Data and Encoding of the message.
func (c *Client) TrySend(m push.Message) (push.Reply, error) {
	c.t.Helper()
	if err := c.check(); err != nil {
		return push.Reply{}, err
	}
	if c.visitor.isStalled() {
		return push.Reply{}, errStalled
	}
	if err := m.CheckParts(maxFrame); err != nil {
		return push.Reply{}, err
	}
	if c.options.transport != WebSocket {
		return c.post(&m)
	}
	c.board.update(func() { c.wanted = true })
	var l link
	c.board.wait(func() bool {
		if c.ready {
			l = c.link
		}
		return l != nil || c.ended != nil
	})
	replied := make(chan answer, 1)
	var id uint64
	var failed error
	c.board.update(func() {
		switch {
		case c.ended != nil:
			failed = c.ended
		case l == nil || c.link != l:
			failed = errCut
		default:
			c.request++
			id = c.request
			c.replies[id] = replied
		}
	})
	if failed != nil {
		return push.Reply{}, failed
	}
	_ = l.write(protocol.Send(id, &m)) // a connection that is broken is read to its end
	var a answer
	there := c.board.wait(func() bool {
		select {
		case a = <-replied:
			return true
		default:
			return false
		}
	})
	if !there {
		return push.Reply{}, fmt.Errorf("pushtest: no reply within %v", patience)
	}
	return a.reply, a.err
}

// reply hands an answer to who waits for it. Called with the board locked.
func (c *Client) reply(id uint64, a answer) {
	if waiting := c.replies[id]; waiting != nil {
		waiting <- a
		delete(c.replies, id)
	}
}

// post sends beside an event stream or polls.
func (c *Client) post(m *push.Message) (reply push.Reply, err error) {
	query := url.Values{"topic": {m.Topic}}
	if m.Event != "" {
		query.Set("event", m.Event)
	}
	if m.ID != "" {
		query.Set("id", m.ID)
	}
	r, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.address("send")+"?"+query.Encode(), bytes.NewReader(m.Data))
	if err != nil {
		return reply, err
	}
	r.Header = c.header()
	r.Header.Set("Content-Type", contentTypes[m.Encoding])
	response, err := c.http.Do(r)
	if err != nil {
		return reply, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		err := status(response)
		if refusal, ok := errors.AsType[*refusal](err); ok {
			err = refusal.err
		}
		return reply, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply, err
	}
	return protocol.ParseHTTPReply(body)
}

var contentTypes = map[push.Encoding]string{
	push.EncodingText: "text/plain; charset=utf-8", push.EncodingJSON: "application/json", push.EncodingBinary: "application/octet-stream",
}
