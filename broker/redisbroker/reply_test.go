package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// TestBrokenHeadIsOneTopicsTrouble has what isn't a head where a topic's head was, before
// it is followed and after. All that comes of it is an error.
func TestBrokenHeadIsOneTopicsTrouble(t *testing.T) {
	b, client := scripted(t, Options{})
	good, broken := &signal{at: make(chan uint64, 10)}, &recorder{}
	_, err := b.Subscribe(t.Context(), "good", good)
	must(t, err)
	for i, fields := range [][]any{
		{"e", "0000000000000000"}, {"e", "zzzzzzzzzzzzzzzz"}, {"e", "1"}, {"e", "FFFFFFFFFFFFFFFF"}, {"e", ""},
		{"o", "garbage"}, {"o", "-1"}, {"o", "1e9"}, {"o", "nan"}, {"o", "inf"}, {"o", "9007199254740993"}, {"o", "1.5"}, {"o", ""},
		{"t", "garbage!"}, {"t", "-0000001"}, {"t", "1"},
		{"e", "0000000000000000", "o", "0", "t", "00000000"},
	} {
		topic := fmt.Sprint("broken", i)
		add(t, b, topic, "x")
		meta, _ := b.keys(topic)
		must(t, client.HSet(t.Context(), meta, fields...).Err())
		b := brokerOn(t, client, Options{}) // one that hasn't seen the topic before
		if page, err := b.Recent(t.Context(), topic, broker.Limit{Messages: 10}); !errors.Is(err, push.CodeInternal) {
			t.Errorf("%v: Recent gives %+v, %v", fields, page, err)
		}
		if page, err := b.Since(t.Context(), topic, broker.Position{Epoch: 1}, broker.Limit{}); !errors.Is(err, push.CodeInternal) {
			t.Errorf("%v: Since gives %+v, %v", fields, page, err)
		}
		if receipt, err := b.Publish(t.Context(), push.Message{Topic: topic}); !errors.Is(err, push.CodeInternal) {
			t.Errorf("%v: Publish gives %+v, %v", fields, receipt, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if at, err := b.Subscribe(ctx, topic, broken); err == nil {
			t.Errorf("%v: Subscribe gives %+v", fields, at)
		}
	}
	add(t, b, "good", "x")
	<-good.at
}

// TestHeadThatBreaksWhileItIsFollowed has a follower whose position is known already.
func TestHeadThatBreaksWhileItIsFollowed(t *testing.T) {
	b, client := scripted(t, Options{Check: 10 * time.Millisecond})
	f := &signal{at: make(chan uint64, 10)}
	_, err := b.Subscribe(t.Context(), "a", f)
	must(t, err)
	add(t, b, "a", "x")
	<-f.at
	meta, _ := b.keys("a")
	whole := client.HGetAll(t.Context(), meta).Val()
	must(t, client.HSet(t.Context(), meta, "e", "0000000000000000").Err())
	healthSays(t, b, follow.ForeignData) // a check has had the follower read on
	must(t, client.HSet(t.Context(), meta, "e", whole["e"]).Err())
	add(t, b, "a", "y")
	if offset := <-f.at; offset != 2 {
		t.Errorf("got %d", offset)
	}
}

// FuzzReplies has Redis answer whatever it likes. Nothing panics, and no position is taken
// that can't be one.
func FuzzReplies(f *testing.F) {
	f.Add("00000000000000ff", "1", "00000001", "00000000", "0", "\x01\x00\x01i\x00\x00x", "", uint8(0))
	entry := "00000000000000ff" + "00000000000001" + "01700000000000" + "1" + "0000002" + "{}"
	f.Add("00000000000000ff", "1", "00000001", "00000000", "00000000000001017000000000001"+"0000002{}", entry, "k", uint8(3))
	f.Add("0000000000000000", "0", "00000000", "", "nan", "", "fork", uint8(1))
	f.Add("00000000000000ff", "0", "00000001", "garbage", "-1", "\x01\x00\xff", "trimmed", uint8(2))
	f.Fuzz(func(t *testing.T, epoch, offset, tag, previous, at, body, gap string, shape uint8) {
		possible := func(p broker.Position) bool {
			return p.Epoch != 0 && p.Offset <= broker.MaxOffset && (p.Offset > 0 || p.Tag == 0)
		}
		entry := []any{offset, tag, previous, at, body}[:min(5, int(shape%8))]
		replies := [][]any{
			{epoch, offset, tag, []any{entry}, gap}, {epoch, offset, tag, []any{entry, entry, nil, 1}, gap}, {epoch, offset, tag, gap, nil},
			{epoch, offset, tag, []any{gap, body, nil, 1, tag}, []any{body}}, {epoch, offset, tag, []any{"k", epoch + at}, []any{}}, {"version", epoch, offset},
			{epoch, offset, tag, at, previous}, {epoch, int64(shape), tag, nil, gap}, {gap, epoch, offset, tag}, {gap}, {}, {nil, nil, nil, nil, nil}, {1.5, []any{}, true, nil, []any{}},
		}
		for _, reply := range replies {
			command := redis.NewCmdResult(any(reply), nil)
			if page, err := parsePage("a", shape%2 == 0, command); err == nil {
				if !possible(page.Head) {
					t.Errorf("%q is read as %+v", reply, page.Head)
				}
				for _, m := range page.Messages {
					if !possible(m.Position) || m.Offset == 0 {
						t.Errorf("%q is read as %+v", reply, m)
					}
				}
			}
			if page, err := parseState("a", &call{command: command}); err == nil {
				for _, m := range page.Messages {
					if !possible(page.Head) || m.Epoch != page.Head.Epoch || m.Offset > page.Head.Offset || m.Key == "" || m.Check(len(m.Data)) != nil {
						t.Errorf("%q is read as %+v", reply, m)
					}
				}
			}
			if e, err := parseExpiry(&call{command: command}); err == nil && (!possible(e.Position) || e.Due < 0 || e.In < 0) {
				t.Errorf("%q is read as %+v", reply, e)
			}
			for _, op := range []broker.Op{broker.OpAppend, broker.OpDelete} {
				receipt, err := parseReceipt(&push.Message{ID: "i", Op: op}, command)
				if err == nil && (!possible(receipt.Position) || receipt.Position.Offset == 0 && op == broker.OpAppend) {
					t.Errorf("%q is read as %+v", reply, receipt)
				}
			}
			if receipt, err := parseReceipt(&push.Message{ID: "i"}, command); err == nil && (!possible(receipt.Position) || receipt.Position.Offset == 0) {
				t.Errorf("%q is read as %+v", reply, receipt)
			}
		}
		for _, payload := range []string{body, epoch + " " + offset + " " + tag + " " + previous + " " + at + " " + body} {
			if m, err := parsePublished("a", payload); err == nil && (!possible(m.Position) || m.Offset == 0) {
				t.Errorf("%q is read as %+v", payload, m)
			}
		}
	})
}
