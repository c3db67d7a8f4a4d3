package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestStatesInTheURL: states come after logs. What can't be followed is refused by itself.
func TestStatesInTheURL(t *testing.T) {
	log := func(topic string) session.Follow { return session.Follow{Topic: topic, Since: "1", Recent: 5} }
	state := func(topic string) session.Follow { return session.Follow{Topic: topic, Since: "1", State: true} }
	for query, want := range map[string][]session.Follow{
		"state=a":                         {state("a")},
		"state=a&state=b":                 {state("a"), state("b")},
		"state=a&topic=b&state=c&topic=d": {log("b"), log("d"), state("a"), state("c")},
		"state=a&state=a":                 nil,
		"state=a&topic=a":                 nil,
		"state=":                          {refused(state(""), push.CodeBadRequest)},
		"state=%0A&topic=a":               {log("a"), refused(state("\n"), push.CodeBadRequest)},
		"topic=&state=a&state=b&topic=c&topic=d&topic=e": {
			refused(log(""), push.CodeBadRequest), log("c"), log("d"), log("e"), state("a"), refused(state("b"), push.CodeLimitReached),
		},
	} {
		follows, e := protocol.Follows(httptest.NewRequest("GET", "/sse?since=1&recent=5&"+query, nil), 4)
		for i, f := range follows {
			if f.Refused != nil {
				follows[i] = refused(f, f.Refused.Code)
			}
		}
		if want == nil && !errors.Is(e, push.CodeBadRequest) || want != nil && e != nil || !slices.Equal(follows, want) {
			t.Errorf("%q: %+v, %v", query, follows, e)
		}
	}
}

// refusals are what is compared of them.
var refusals = map[push.Code]*push.Error{push.CodeBadRequest: {}, push.CodeLimitReached: {}}

func refused(f session.Follow, code push.Code) session.Follow {
	f.Refused = refusals[code]
	return f
}

// stateSaid is a frame, and what a client has after it.
type stateSaid struct {
	Frame  json.RawMessage            `json:"frame"`
	Cursor string                     `json:"cursor"`
	Map    map[string]json.RawMessage `json:"map"`
	// Versions are those of the keys, for a conditional change.
	Versions map[string]string `json:"versions"`
}

// stateTalk is a conversation about one state topic in which its keys and its cursor change
// in each way that they can.
func stateTalk() (all []stateSaid) {
	const topic = "prices"
	first, second := position, broker.Position{Epoch: 0x0123456789abcdef, Offset: 300, Tag: 5}
	at := func(p broker.Position, offset uint64, tag uint32) string {
		p.Offset, p.Tag = offset, tag
		return cursor.Format(topic, p)
	}
	set := func(key string, version uint64, json string) session.Change {
		return session.Change{Op: broker.OpSet, Key: key, Version: version, Data: []byte(json), Encoding: push.EncodingJSON}
	}
	text := func(op broker.Op, key string, start int, version uint64, data string) session.Change {
		return session.Change{Op: op, Key: key, Start: start, Version: version, Data: []byte(data)}
	}
	values, versions, place := map[string]string{}, map[string]string{}, ""
	say := func(frame []byte, moved string, epoch broker.Epoch, changed ...string) {
		if moved != "" {
			place = moved
		}
		for i := 0; i < len(changed); i += 3 {
			key, value, offset := changed[i], changed[i+1], changed[i+2]
			if value == "" {
				delete(values, key)
				delete(versions, key)
				continue
			}
			values[key], versions[key] = value, epoch.String()+"-"+offset
		}
		s := stateSaid{Frame: frame, Cursor: place, Map: map[string]json.RawMessage{}, Versions: map[string]string{}}
		for key, value := range values {
			s.Map[key], s.Versions[key] = json.RawMessage(value), versions[key]
		}
		all = append(all, s)
	}
	state := func(at string, changes ...session.Change) []byte { return protocol.State(topic, changes, at) }
	e := first.Epoch
	say(protocol.Subscribed(1, []session.Followed{{Topic: topic, From: session.FromSnapshot, Epoch: e}}), "", e)
	say(state("", set("ACME", 3, `{"px":1.5}`), text(broker.OpSet, "log", 0, 0, "ab😀")), "", e,
		"ACME", `{"px":1.5}`, "3", "log", `"ab😀"`, "0")
	say(state("", set("X", 7, "null")), "", e, "X", "null", "7")
	say(protocol.Synced(topic, e, at(first, 7, 1)), at(first, 7, 1), e)
	say(state(at(first, 8, 2), text(broker.OpAppend, "log", 4, 8, "c")), at(first, 8, 2), e, "log", `"ab😀c"`, "8")
	say(state("", session.Change{Op: broker.OpDelete, Key: "X"}), "", e, "X", "", "")
	say(state("", text(broker.OpAppend, "new", 0, 11, "n")), "", e, "new", `"n"`, "11")
	say(state(at(first, 12, 3), set("ACME", 12, `[2]`)), at(first, 12, 3), e, "ACME", "[2]", "12")
	say(state(at(first, 14, 4), text(broker.OpAppend, "log", 4, 14, "de")), at(first, 14, 4), e, "log", `"ab😀de"`, "14")
	say(state(at(first, 16, 5)), at(first, 16, 5), e)
	place = "" // which a reset takes
	say(protocol.Reset(topic, broker.GapEpoch, second.Epoch), "", second.Epoch, "ACME", "", "", "log", "", "", "new", "", "")
	say(state("", set("ACME", 300, "3")), "", second.Epoch, "ACME", "3", "300")
	say(protocol.Synced(topic, second.Epoch, at(second, 300, 6)), at(second, 300, 6), e)
	say(state(at(second, 301, 7), set("X", 301, "true")), at(second, 301, 7), second.Epoch, "X", "true", "301")
	return all
}

func TestConversationAboutAStateIsGolden(t *testing.T) {
	file := filepath.Join("testdata", "conversation", "state.json")
	var b bytes.Buffer
	b.WriteString(`{"frames":[`)
	for i, s := range stateTalk() {
		if i > 0 {
			b.WriteByte(',')
		}
		line, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n%s", line)
	}
	b.WriteString("\n]}\n")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("the file has\n%swant\n%s", got, b.Bytes())
	}
}

// FuzzState: what a server says of a state, a client reads as it was.
func FuzzState(f *testing.F) {
	f.Add("a", "k", []byte("hello"), uint8(0), uint8(1), uint64(7), 3)
	f.Add("__proto__", "ä\u2028", []byte(`{"a":[1.50]}`), uint8(1), uint8(1), uint64(0), 0)
	f.Add("a", `"`, []byte{0, 255}, uint8(2), uint8(1), uint64(1<<53-1), 0)
	f.Add("a", "k", []byte("more"), uint8(0), uint8(2), uint64(8), 1<<20)
	f.Add("a", "k", []byte(nil), uint8(0), uint8(3), uint64(8), 0)
	f.Fuzz(func(t *testing.T, topic, key string, data []byte, encoding, op uint8, version uint64, start int) {
		c := session.Change{Op: broker.Op(1 + op%3), Key: strings.ToValidUTF8(key, "?"), Encoding: push.Encoding(encoding % 3), Version: version}
		topic = strings.ToValidUTF8(topic, "?")
		var err error
		switch c.Data, err = c.Encoding.Normalize(append([]byte{}, data...)); {
		case err != nil, c.Key == "", c.Op == broker.OpAppend && c.Encoding != push.EncodingText:
			t.Skip()
		case c.Op == broker.OpAppend:
			c.Start = start & (1<<30 - 1)
		case c.Op == broker.OpDelete:
			c = session.Change{Op: c.Op, Key: c.Key}
		}
		frame := protocol.State(topic, []session.Change{c, {Op: broker.OpDelete, Key: "last"}}, stateCursor)
		if bytes.ContainsAny(frame, "\r\n") {
			t.Errorf("%q is not on one line", frame)
		}
		got, err := protocol.ParseFrame(frame)
		if err != nil || got.State.Topic != topic || got.At != stateCursor[cursor.Constant:] || len(got.State.Changes) != 2 {
			t.Fatalf("%s: %+v, %v", frame, got, err)
		}
		if c.Encoding == push.EncodingJSON && len(c.Data) > 0 && c.Data[0] == '"' { // it looks like text, and is then
			var text string
			if err := json.Unmarshal(c.Data, &text); err != nil {
				t.Fatal(err)
			}
			c.Data, c.Encoding = []byte(text), push.EncodingText
		}
		if !reflect.DeepEqual(got.State.Changes[0], c) {
			t.Errorf("%s\ngot  %+v\nwant %+v", frame, got.State.Changes[0], c)
		}
	})
}
