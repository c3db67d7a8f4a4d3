package transporttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

func testWelcome(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	s.publish("b", "before")
	c, err := s.tryConnect([]string{"a", "b"}, "")
	if err != nil {
		t.Fatal(err)
	}
	f := s.next(c)
	if f.Type != protocol.TypeWelcome || f.Session == "" || len(f.Topics) != 2 {
		t.Fatalf("first frame is %+v", f)
	}
	for i, topic := range []string{"a", "b"} {
		if got := f.Topics[i]; got.Topic != topic || got.From != "now" || got.Cursor == "" || got.Error != nil {
			t.Errorf("topic %d is %+v", i, got)
		}
	}
	s.publish("b", "after")
	s.wantData(c, "after")
}

func testParts(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	c := s.connect([]string{"a"}, "")
	messages := []push.Message{
		{Topic: "a", ID: "id-1", Event: "created", Key: "42", Data: []byte("hello")},
		{Topic: "a", Data: []byte{0, 1, 2, '\n', 254, 255}, Encoding: push.EncodingBinary},
		{Topic: "a", Data: []byte("\ufeff\n\r\r\n\n\ndata: x\nid: y\nevent: z\n: c\u2028\u2029\x00\"\\<b>😀")},
		{Topic: "a", Data: []byte(strings.Repeat("long ü", 50_000))},
		{Topic: "a", Event: "error"},
		{Topic: "a", ID: "id-2", Data: []byte("with a header"), Header: map[string]string{"traceparent": "00-01"}},
		{Topic: "a", Data: []byte(`{"px":1.50,"deep":[[{}]],"text":"a\u2028\n","":null}`), Encoding: push.EncodingJSON},
	}
	for i, want := range messages {
		receipt, err := s.hub.Publish(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		f := s.next(c)
		data, err := f.Payload()
		if err != nil || !bytes.Equal(data, want.Data) {
			t.Errorf("message %d: data %.80q, %v", i, data, err)
		}
		var id string // only what the publisher named has one
		if f.ID != nil && json.Unmarshal(f.ID, &id) != nil || id != want.ID {
			t.Errorf("message %d has the id %s", i, f.ID)
		}
		if f.Topic != "a" || f.Event != want.Event || f.Key != want.Key || c.Position("a") != receipt.Position || f.Time != 0 {
			t.Errorf("message %d is %+v, receipt %+v", i, f, receipt)
		}
		if f.EventID != "" && (f.EventID != c.Cursor || f.EventName != want.Event) {
			t.Errorf("message %d: event %q, id %q, cursor %q", i, f.EventName, f.EventID, c.Cursor)
		}
	}
}

// testFrames looks at what the hub sees of frames: the topic's cursor after each, and none where
// the client stays where it is.
func testFrames(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	at := s.publish("a", "1").Position
	for name, tt := range map[string]struct {
		frame  *session.Frame
		cursor string
	}{
		"a message":                 {s.transport.Message(&push.Message{Topic: "a", Position: at}), cursor.Format("a", at)},
		"a message past the broker": {s.transport.Message(&push.Message{Topic: "a"}), ""},
		"a gap":                     {s.transport.Gap(broker.Gap{Topic: "a", Now: at}), cursor.Format("a", at)},
		"a request to reconnect":    {s.transport.Reconnect(1), ""},
	} {
		if tt.frame.Cursor != tt.cursor || tt.cursor != "" && tt.frame.Topic != "a" || len(tt.frame.Bytes) == 0 {
			t.Errorf("%s moves %q to %q, want %q; bytes %q", name, tt.frame.Topic, tt.frame.Cursor, tt.cursor, tt.frame.Bytes)
		}
	}
	m := push.Message{Topic: "a", Position: at, Data: []byte("x")}
	without := s.transport.Message(&m)
	m.Header = map[string]string{"traceparent": "00-01"}
	if with := s.transport.Message(&m); !bytes.Equal(with.Bytes, without.Bytes) {
		t.Errorf("a message's header is in its frame: %q", with.Bytes)
	}
}

// testResume reads a stream whole, noting the cursor after each event, and then
// resumes from every one of them: what comes must be exactly the rest.
func testResume(t *testing.T, h Harness) {
	for _, topics := range [][]string{names(1), names(5), names(h.Topics)} {
		t.Run(fmt.Sprint(len(topics), " topics"), func(t *testing.T) {
			s := open(t, h, push.Options{})
			first := s.connect(topics, "")
			const messages = 30
			cursors := []string{first.Cursor}
			var seen []string
			for i := range messages {
				s.publish(topics[i*7%len(topics)], fmt.Sprint(i))
				f := s.next(first)
				seen = append(seen, f.Topic+" "+string(f.Data))
				cursors = append(cursors, first.Cursor)
			}
			for cut, cursor := range cursors {
				if len(topics) > 5 && cut%10 != 0 {
					continue
				}
				c := s.connect(topics, cursor)
				var rest []string
				for range messages - cut {
					f := s.next(c)
					rest = append(rest, f.Topic+" "+string(f.Data))
				}
				// Topics are replayed one after the other: the order is that of each topic.
				for _, topic := range topics {
					if got, want := of(topic, rest), of(topic, seen[cut:]); !slices.Equal(got, want) {
						t.Fatalf("cut at %d: %s brought %v, want %v", cut, topic, got, want)
					}
				}
				if c.Cursor != cursors[messages] {
					t.Fatalf("cut at %d: cursor %q, want %q", cut, c.Cursor, cursors[messages])
				}
				c.Close()
			}
		})
	}
}

func of(topic string, messages []string) []string {
	var found []string
	for _, m := range messages {
		if strings.HasPrefix(m, topic+" ") {
			found = append(found, m)
		}
	}
	return found
}

func testResumeFromWelcome(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	topics := names(3)
	c := s.connect(topics, "")
	cursor := c.Cursor
	c.Close()
	s.publish(topics[1], "missed")
	c = s.connect(topics, cursor)
	s.wantData(c, "missed")
	s.publish(topics[2], "live")
	s.wantData(c, "live")
}

func testGaps(t *testing.T, h Harness) {
	b := membroker.New(membroker.Options{History: broker.History{Messages: 20}})
	s := openOn(t, h, b, push.Options{ReplayMessages: 10})
	start := s.publish("a", "0").Position
	for i := range 30 {
		s.publish("a", fmt.Sprint(i+1))
	}
	page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 20})
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) broker.Position { return page.Messages[i].Position }
	forked, elsewhere, ahead := at(15), at(15), page.Head
	forked.Tag ^= 1
	elsewhere.Epoch ^= 1
	ahead.Offset++
	tests := []struct {
		name, since string
		want        broker.GapReason
		wantLast    bool
	}{
		{"trimmed is too many as well", cursor.Format("a", start), broker.GapTooMany, true},
		{"more than the replay allows", cursor.Format("a", at(8)), broker.GapTooMany, true},
		{"another epoch", cursor.Format("a", elsewhere), broker.GapEpoch, true},
		{"another tag", cursor.Format("a", forked), broker.GapFork, true},
		{"ahead of history", cursor.Format("a", ahead), broker.GapFork, true},
		{"forged, at the start", cursor.Format("a", broker.Position{Epoch: page.Head.Epoch}), broker.GapTooMany, true},
		{"forged, within reach", cursor.Format("a", broker.Position{Epoch: page.Head.Epoch, Offset: page.Head.Offset - 1}), broker.GapFork, true},
		{"garbage", "garbage", broker.GapUnknownCursor, false},
		{"emoji", "😀", broker.GapUnknownCursor, false},
		{"line break", "1A\tB", broker.GapUnknownCursor, false},
		{"4 kB of garbage", strings.Repeat("x", 4096), broker.GapUnknownCursor, false},
		{"not UTF-8", "\xff\xfe", broker.GapUnknownCursor, false},
		{"of another topic", cursor.Format("b", at(15)), broker.GapUnknownCursor, false},
		{"of no topic", cursor.Empty, broker.GapUnknownCursor, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := s.connect([]string{"a"}, test.since)
			f := s.next(c)
			if f.Type != protocol.TypeGap || f.Reason != string(test.want) || (f.Last != nil) != test.wantLast {
				t.Fatalf("got %+v, want gap %q", f, test.want)
			}
			head, err := b.Recent(t.Context(), "a", broker.Limit{})
			if err != nil || f.Now == nil || f.Now.Offset != head.Head.Offset || f.Cursor == "" || f.Cursor != c.Cursor {
				t.Errorf("gap %+v now %+v, head %+v", f, f.Now, head.Head)
			}
			s.publish("a", "live")
			s.wantData(c, "live")
			again := s.connect([]string{"a"}, f.Cursor)
			s.wantData(again, "live")
		})
	}
	tooLong := strings.Repeat("x", 4097)
	if h.ByPost {
		tooLong = strings.Repeat("x", 64<<10)
	}
	if _, err := s.tryConnect([]string{"a"}, tooLong); err == nil && !endsAtOnce(s, tooLong) {
		t.Errorf("a cursor of %d bytes was taken", len(tooLong))
	}
}

// endsAtOnce opens a connection with a cursor that is too long, for a transport
// that refuses after it has accepted.
func endsAtOnce(s *site, tooLong string) bool {
	c, err := s.tryConnect([]string{"a"}, tooLong)
	if err != nil {
		return true
	}
	f, err := c.Next()
	return err != nil || f.Type == protocol.TypeError
}

func testNewTopic(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	c := s.connect([]string{"a"}, "")
	s.publish("a", "1")
	s.publish("b", "before")
	again := s.connect([]string{"a", "b"}, c.Cursor)
	s.wantData(again, "1")
	s.publish("b", "2")
	s.wantData(again, "2")
}

func testPublisher(t *testing.T, h Harness) {
	s := open(t, h, push.Options{})
	other := h.New(s.hub)
	c := s.connect([]string{"a"}, "")
	stranger := s.connect([]string{"b"}, "")
	cursor := c.Cursor
	if _, err := other.Publish(context.Background(), push.Message{Topic: "a", Data: []byte("of the other")}); err != nil {
		t.Fatal(err)
	}
	receipt, err := s.transport.Publish(context.Background(), push.Message{Topic: "a", Event: "e", Data: []byte("ours")})
	if err != nil || receipt.ID == "" || !receipt.Position.IsZero() {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	f := s.next(c)
	if f.Data != "ours" || f.Event != "e" || f.At != "" {
		t.Errorf("got %+v", f)
	}
	if f.EventID != "" && f.EventID != cursor {
		t.Errorf("id %q, cursor was %q", f.EventID, cursor)
	}
	s.publish("a", "stored")
	s.wantData(c, "stored")
	s.publish("b", "stored")
	s.wantData(stranger, "stored")
	if _, err := s.transport.Publish(context.Background(), push.Message{Topic: "nobody", Data: []byte("x")}); err != nil {
		t.Errorf("publishing to nobody: %v", err)
	}
	if _, err := s.transport.Publish(context.Background(), push.Message{Topic: "a\n"}); err == nil {
		t.Error("a bad topic was taken")
	}
}
