package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// conversation is frames in the order in which a client gets them.
type conversation struct {
	Frames []said `json:"frames"`
}

// said is a frame, and the cursor of all topics after it, in the order of the first frame.
type said struct {
	Frame  json.RawMessage `json:"frame"`
	Cursor string          `json:"cursor"`
}

// talk is a conversation in the making.
type talk struct {
	conversation
	topics []string
	places map[string]broker.Position
}

func (c *talk) say(frame []byte) {
	cursors := make([]string, len(c.topics))
	for i, topic := range c.topics {
		cursors[i] = cursor.Format(topic, c.places[topic])
	}
	c.Frames = append(c.Frames, said{frame, cursor.Join(cursors)})
}

// message says the message at the next offset of a topic.
func (c *talk) message(topic string, tag uint32, data string, encoding push.Encoding) {
	p := c.places[topic]
	p.Offset, p.Tag = p.Offset+1, tag
	c.places[topic] = p
	m := &push.Message{Topic: topic, Data: []byte(data), Encoding: encoding, Position: p}
	c.say(protocol.Message(m, protocol.Cursor(m)))
}

func (c *talk) gap(topic string, reason broker.GapReason, now broker.Position) {
	last := c.places[topic]
	c.places[topic] = now
	c.say(protocol.Gap(broker.Gap{Topic: topic, Reason: reason, Last: last, Now: now}, cursor.Format(topic, now)))
}

// cursors is a conversation about two topics in which cursors move in each way that they
// can.
func cursors() conversation {
	const orders, news = "orders/42", "news"
	c := talk{topics: []string{orders, news}, places: map[string]broker.Position{
		orders: position,
		news:   {Epoch: 0x0123456789abcdef, Offset: 126, Tag: 0xfffefdfc},
	}}
	c.say(protocol.Subscribed(1, []session.Followed{
		{Topic: orders, From: session.FromNow, Cursor: cursor.Format(orders, c.places[orders])},
		{Topic: news, From: session.FromCursor, Cursor: cursor.Format(news, c.places[news])},
	}))
	c.message(orders, 0xfbfffefb, "text", push.EncodingText)
	c.message(news, 0, "{}", push.EncodingJSON) // the last offset of one byte
	c.message(news, 1, `["a"]`, push.EncodingJSON)
	c.say(protocol.Message(&push.Message{Topic: orders, Data: []byte("not stored")}, ""))
	c.message(orders, 3, "\x00\xff", push.EncodingBinary)
	c.gap(orders, broker.GapTrimmed, broker.Position{Epoch: position.Epoch, Offset: 2041, Tag: 4})
	c.message(orders, 5, "after the gap", push.EncodingText)
	c.message(news, 6, "null", push.EncodingJSON)
	c.gap(news, broker.GapEpoch, broker.Position{Epoch: 0xfedcba9876543210, Offset: broker.MaxOffset - 2, Tag: 7})
	c.message(news, 8, "another epoch", push.EncodingText)
	c.message(orders, 9, "", push.EncodingText)
	c.message(news, 10, "the last offset", push.EncodingText)
	return c.conversation
}

// text is the conversation in JSON, a line for each frame.
func (c conversation) text() []byte {
	var b bytes.Buffer
	b.WriteString(`{"frames":[`)
	for i, s := range c.Frames {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n{\"frame\":%s,\"cursor\":%q}", s.Frame, s.Cursor)
	}
	b.WriteString("\n]}\n")
	return b.Bytes()
}

func TestConversationAboutCursorsIsGolden(t *testing.T) {
	file := filepath.Join("testdata", "conversation", "cursors.json")
	want := cursors().text()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the file has\n%swant\n%s", got, want)
	}
}

// A client joins what a message says to what it knows, and reads neither.
func TestCursorsJoinInTheConversation(t *testing.T) {
	var c conversation
	if err := json.Unmarshal(cursors().text(), &c); err != nil {
		t.Fatal(err)
	}
	var topics []string
	known := map[string]string{}
	for i, said := range c.Frames {
		var f struct {
			Type, Topic, Cursor, At string
			Topics                  []struct{ Topic, Cursor string }
		}
		if err := json.Unmarshal(said.Frame, &f); err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Type == protocol.TypeSubscribed:
			for _, answer := range f.Topics {
				topics = append(topics, answer.Topic)
				known[answer.Topic] = answer.Cursor
			}
		case f.Type == protocol.TypeGap:
			known[f.Topic] = f.Cursor
		case f.At != "":
			known[f.Topic] = known[f.Topic][:cursor.Constant] + f.At
		}
		all := make([]string, len(topics))
		for i, topic := range topics {
			all[i] = known[topic]
		}
		if got := cursor.Join(all); got != said.Cursor {
			t.Errorf("after frame %d the cursor is %s, want %s", i, got, said.Cursor)
		}
	}
	if len(c.Frames) < 10 {
		t.Errorf("%d frames are no conversation", len(c.Frames))
	}
}
