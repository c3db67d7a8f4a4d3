package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// reflected gives v as encoding/json writes it.
func reflected(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func FuzzTextIsWrittenAsByEncodingJSON(f *testing.F) {
	for _, s := range hardTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := reflected(s)
		if got := string(appendText(nil, s)); got != want {
			t.Errorf("a string: got %s, want %s", got, want)
		}
		if got := string(appendText([]byte{}, []byte(s))); got != want {
			t.Errorf("bytes: got %s, want %s", got, want)
		}
	})
}

var hardTexts = []string{
	"", "plain", `"`, `\`, "\\u2028", "<b>&amp;'</b>", "\x00\x01\x1f\x7f\b\t\n\f\r", "ünï", "日本語", "😀", "\u2027\u2028\u2029\u202a",
	"\ufeff\ufffd\uffff", "\xff", "a\xe2\x80", "\xe2\x80\xa8\xe2", "\xe2\x80x", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\U0010ffff",
}

func TestEveryCharacterIsWrittenAsByEncodingJSON(t *testing.T) {
	for r := range rune(0x11000) {
		for _, s := range []string{string(r), string([]byte{byte(r >> 8), byte(r)})} {
			if got, want := string(appendText(nil, s)), reflected(s); got != want {
				t.Fatalf("%q: got %s, want %s", s, got, want)
			}
		}
	}
}

// TestMessageIsWrittenAsByEncodingJSON has messages of every kind, and those whose
// size is estimated fit.
func TestMessageIsWrittenAsByEncodingJSON(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(hardTexts))
	rapid.Check(t, func(t *rapid.T) {
		m := &push.Message{
			ID: text.Draw(t, "id"), Topic: text.Draw(t, "topic"), Event: text.Draw(t, "event"), Key: text.Draw(t, "key"),
			Data: []byte(text.Draw(t, "data")), Named: rapid.Bool().Draw(t, "named"),
			TellTime: rapid.Bool().Draw(t, "tells time"), Encoding: rapid.SampledFrom([]push.Encoding{push.EncodingText, push.EncodingJSON, push.EncodingBinary}).Draw(t, "encoding"),
		}
		if rapid.Bool().Draw(t, "stored") {
			m.Epoch = broker.Epoch(rapid.Uint64().Draw(t, "epoch"))
			m.Offset = rapid.Uint64Range(0, broker.MaxOffset).Draw(t, "offset")
			m.Tag = rapid.Uint32Min(1).Draw(t, "tag")
			m.Time = time.UnixMilli(rapid.Int64Range(1, 1<<45).Draw(t, "time"))
		}
		if m.Encoding == push.EncodingJSON {
			m.Data = []byte(reflected(string(m.Data)))
		}
		at := ""
		if !m.Position.IsZero() {
			at = cursor.Format(m.Topic, m.Position)
		}
		f := struct {
			Type     string  `json:"type"`
			Topic    string  `json:"topic"`
			ID       *string `json:"id,omitempty"`
			Event    string  `json:"event,omitempty"`
			Key      string  `json:"key,omitempty"`
			At       string  `json:"at,omitempty"`
			Encoding string  `json:"encoding,omitempty"`
			Data     any     `json:"data"`
			Time     int64   `json:"time,omitempty"`
		}{Type: "message", Topic: m.Topic, Event: m.Event, Key: m.Key, Data: string(m.Data)}
		if m.Named {
			f.ID = &m.ID
		}
		if at != "" {
			f.At = at[cursor.Constant:]
		}
		switch m.Encoding {
		case push.EncodingText:
		case push.EncodingBinary:
			f.Data, f.Encoding = base64.StdEncoding.EncodeToString(m.Data), "base64"
		case push.EncodingJSON:
			f.Data = json.RawMessage(m.Data)
		}
		if m.TellTime && !m.Time.IsZero() {
			f.Time = m.Time.UnixMilli()
		}
		if got, want := string(Message(m, at)), reflected(f); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := AppendMessage([]byte("data: "), m, at); string(got) != "data: "+reflected(f) {
			t.Errorf("appended: %s", got)
		}
	})
}

// TestMessageIsAllocatedOnce holds for what is usually sent.
func TestMessageIsAllocatedOnce(t *testing.T) {
	at := cursor.Format("a", broker.Position{Epoch: 1, Offset: broker.MaxOffset})
	for _, m := range []*push.Message{
		{ID: "1", Topic: "a", Data: []byte("{\"text\":\"says \\\"hello\\\"\",\n\"to\":[\"日本語\"]}"), Position: broker.Position{Epoch: 1, Offset: 1}, Time: time.Now()},
		{ID: "1", Topic: "a", Data: make([]byte, 1000), Encoding: push.EncodingBinary, Position: broker.Position{Epoch: 1, Offset: broker.MaxOffset}, Time: time.Now()},
	} {
		if n := testing.AllocsPerRun(100, func() { Message(m, at) }); n != 1 {
			t.Errorf("%v allocations", n)
		}
	}
}

// TestOddWordsAreEscaped: nothing stops an application from making a code, or a
// broker a reason, of its own.
func TestOddWordsAreEscaped(t *testing.T) {
	odd := "\"\n"
	for name, frame := range map[string][]byte{
		"error":      Error(push.NewError(push.Code(odd), odd, nil)),
		"gap":        Gap(broker.Gap{Topic: "a", Reason: broker.GapReason(odd)}, odd),
		"subscribed": Subscribed(1, []session.Followed{{Topic: odd, From: session.From(odd), Cursor: odd}}),
		"reply":      Reply(1, push.Reply{Data: []byte("\xff")}),
	} {
		if !json.Valid(frame) {
			t.Errorf("%s: %s", name, frame)
		}
	}
}
