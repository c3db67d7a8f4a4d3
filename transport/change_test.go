package transport_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// noting is a broker that notes what is published, and answers with err.
type noting struct {
	*membroker.Broker
	got push.Message
	err error
}

func (b *noting) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	b.got = m
	if err := m.Prepare(1 << 10); err != nil {
		return push.Receipt{}, err
	}
	return push.Receipt{ID: "i", Position: broker.Position{Epoch: 1, Offset: 7}}, b.err
}

// TestPublishChanges: what a POST says of a state reaches the broker, and what it can't mean
// is refused.
func TestPublishChanges(t *testing.T) {
	b := &noting{Broker: membroker.New()}
	_, server := routesOver(t, b, push.Options{}, transport.Options{PublishKey: "secret"})
	version := broker.Version{Epoch: 0x9f8a6c21d0e4b735, Offset: 17}
	set := push.Message{Op: broker.OpSet, Topic: "a", Key: "k", Data: []byte("x")}
	with := func(change func(*push.Message)) push.Message {
		m := set
		change(&m)
		return m
	}
	const json = "application/json"
	for _, test := range []struct {
		query, contentType, body string
		want                     push.Message
		reason                   string // of a refusal with 400
	}{
		{"topic=a&key=k&op=set", "", "x", set, ""},
		{"topic=a&key=k&op=set", json, `{ "px": 1.50 }`, with(func(m *push.Message) { m.Data, m.Encoding = []byte(`{ "px": 1.50 }`), push.EncodingJSON }), ""},
		{"topic=a&key=k&op=append", "", "x", with(func(m *push.Message) { m.Op = broker.OpAppend }), ""},
		{"topic=a&key=k&op=delete", "", "", with(func(m *push.Message) { m.Op, m.Data = broker.OpDelete, []byte{} }), ""},
		{"topic=a&key=k&op=touch&ttl=90", json, "", with(func(m *push.Message) { m.Op, m.Data, m.TTL = broker.OpTouch, []byte{}, 90*time.Second }), ""},
		{"topic=a&key=k&op=set&ttl=1h30m", "", "x", with(func(m *push.Message) { m.TTL = 90 * time.Minute }), ""},
		{"topic=a&key=k&op=set&ttl=250ms", "", "x", with(func(m *push.Message) { m.TTL = 250 * time.Millisecond }), ""},
		{"topic=a&key=k&op=set&ttl=forever", "", "x", with(func(m *push.Message) { m.TTL = -1 }), ""},
		{"topic=a&key=k&op=set&if=absent", "", "x", with(func(m *push.Message) { m.IfAbsent = true }), ""},
		{"topic=a&key=k&op=delete&id=i&if=9f8a6c21d0e4b735-17", "", "", with(func(m *push.Message) {
			m.Op, m.Data, m.ID, m.IfVersion = broker.OpDelete, []byte{}, "i", version
		}), ""},
		{"topic=a&key=k&op=", "", "x", set, "an operation is set, append, delete or touch"},
		{"topic=a&key=k&op=publish", "", "x", set, "an operation is set"},
		{"topic=a&key=k&op=SET", "", "x", set, "an operation is set"},
		{"topic=a&key=k&op=set&op=set", "", "x", set, "op is given twice"},
		{"topic=a&topic=b&key=k&op=set", "", "x", set, "a change is of one topic"},
		{"topic=a&topic=b&key=k&ttl=5", "", "x", set, "are for the changes of states"},
		{"topic=a&op=set", "", "x", set, "a change needs a key"},
		{"topic=a&key=k&op=set&event=e", "", "x", set, "a change has no event"},
		{"topic=a&key=k&op=append", json, "1", set, "only text can be appended"},
		{"topic=a&key=k&op=delete", "", "x", set, "only set and append have data"},
		{"topic=a&key=k&op=touch", "", "x", set, "only set and append have data"},
		{"topic=a&key=k&op=delete&if=absent", "", "", set, "a key that isn't there"},
		{"topic=a&key=k&ttl=5", "", "x", set, "are for the changes of states"},
		{"topic=a&key=k&if=absent", "", "x", set, "are for the changes of states"},
		{"topic=a&key=k&op=set&ttl=0", "", "x", set, "ttl is more than zero"},
		{"topic=a&key=k&op=set&ttl=-5", "", "x", set, "ttl is more than zero"},
		{"topic=a&key=k&op=set&ttl=-5s", "", "x", set, "ttl is more than zero"},
		{"topic=a&key=k&op=set&ttl=", "", "x", set, "ttl is more than zero"},
		{"topic=a&key=k&op=set&ttl=4294967296", "", "x", set, "ttl is more than zero"},
		{"topic=a&key=k&op=set&if=", "", "x", set, "if is a version of the key, or absent"},
		{"topic=a&key=k&op=set&if=17", "", "x", set, "if is a version of the key, or absent"},
		{"topic=a&key=k&op=set&if=9F8A6C21D0E4B735-17", "", "x", set, "if is a version of the key, or absent"},
	} {
		response, body := (call{"POST", "publish?" + test.query, test.body, key("Content-Type", test.contentType)}).do(t, server)
		switch {
		case test.reason != "":
			if response.StatusCode != 400 || !strings.Contains(body, test.reason) {
				t.Errorf("%s: %d %s; want %s", test.query, response.StatusCode, body, test.reason)
			}
		case response.StatusCode != 200 || !strings.Contains(body, `"epoch":"0000000000000001","offset":7`) || !reflect.DeepEqual(b.got, test.want):
			t.Errorf("%s: %d %s, %+v; want %+v", test.query, response.StatusCode, body, b.got, test.want)
		}
	}
}

// TestConflictSaysTheVersion: a change that doesn't hold is answered with what would, and
// nothing else of a cause.
func TestConflictSaysTheVersion(t *testing.T) {
	b := &noting{Broker: membroker.New()}
	_, server := routesOver(t, b, push.Options{}, transport.Options{PublishKey: "secret"})
	for want, err := range map[string]error{
		`{"code":"conflict","reason":"no","retry":"never","version":"9f8a6c21d0e4b735-17"}`: push.NewError(push.CodeConflict, "no",
			&broker.VersionError{Current: broker.Version{Epoch: 0x9f8a6c21d0e4b735, Offset: 17}}),
		`{"code":"conflict","reason":"no","retry":"never","version":""}`: push.NewError(push.CodeConflict, "no", fmt.Errorf("hidden: %w", &broker.VersionError{})),
		`{"code":"conflict","reason":"no","retry":"never"}`:              push.NewError(push.CodeConflict, "no", errors.New("hidden")),
		`{"code":"wrong_kind","reason":"a log","retry":"never"}`:         broker.WrongKindError("a log"),
	} {
		b.err = err
		if response, body := (call{"POST", "publish?topic=a&key=k&op=set&if=absent", "x", key()}).do(t, server); response.StatusCode != 409 || body != want {
			t.Errorf("%v: %d %s; want %s", err, response.StatusCode, body, want)
		}
	}
}
