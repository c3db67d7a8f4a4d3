package push_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/push"
)

func TestTopicNames(t *testing.T) {
	good := []string{
		"a", "orders/42", "a//b", "../x", "%2e%2e", "A", "ü", "u\u0308", "__proto__", "tidewire", "Tidewire.a", "a/tidewire.b", "constructor", "日本", "a b", "😀",
		strings.Repeat("t", 200), `<b>"&'`, ":", "#", "{1}",
	}
	for _, topic := range good {
		if err := push.CheckTopic(topic); err != nil {
			t.Errorf("%q: %v", topic, err)
		}
	}
	bad := []string{
		"", strings.Repeat("t", 201), strings.Repeat("t", 64<<10), "a\rb", "a\nb", "a\x00b", "a\tb", "a\x7fb", "a\u0085b",
		"a\u200bb", "a\u202eb", "a\u2028b", "\ufeffa", "a\ufffdb", "a\xffb", "\xed\xa0\x80", "a\u00a0b", "a\ue000b",
		"tidewire.", "tidewire.control", " a", "a ", "a  b", " ", "*", "news.*", "h[ae]llo", "?", `a\b`,
	}
	for _, topic := range bad {
		if err := push.CheckTopic(topic); !errors.Is(err, push.ErrBadRequest) {
			t.Errorf("%q: %v", topic, err)
		}
	}
}

// FuzzCheckTopic compares with the categories of Unicode that the rules name.
func FuzzCheckTopic(f *testing.F) {
	for _, topic := range []string{"a", "a b", " a", "a\n", "ü", "\ufeff", "\u2028", "\xff", "*", "\ue000", "\u0378", "😀", "\u3000"} {
		f.Add(topic)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		want := topic != "" && len(topic) <= 200 && utf8.ValidString(topic) && !strings.Contains(topic, "  ") &&
			strings.Trim(topic, " ") == topic && !strings.ContainsAny(topic, "*?[]\\\ufffd") &&
			!strings.ContainsFunc(topic, func(r rune) bool {
				return r != ' ' && (unicode.In(r, unicode.C, unicode.Z) || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S))
			})
		if err := push.CheckTopic(topic); (err == nil) != want {
			t.Errorf("%q: %v", topic, err)
		}
	})
}

func TestPrepareGivesAnID(t *testing.T) {
	a, b := push.Message{Topic: "a"}, push.Message{Topic: "a"}
	for _, m := range []*push.Message{&a, &b} {
		if err := m.Prepare(10); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.ID) != 36 || a.ID[14] != '7' || a.ID == b.ID {
		t.Errorf("IDs %q and %q are not two UUIDv7", a.ID, b.ID)
	}
}

func TestEpochText(t *testing.T) {
	for _, e := range []push.Epoch{0, 1, 0x9f8a6c21d0e4b735, 1<<64 - 1} {
		got, err := push.ParseEpoch(e.String())
		if err != nil || got != e || len(e.String()) != 16 {
			t.Errorf("%v: %v, %v", e, got, err)
		}
	}
	for _, text := range []string{"", "1", "9F8A6C21D0E4B735", "9f8a6c21d0e4b7350", "+f8a6c21d0e4b735", "xf8a6c21d0e4b735"} {
		if _, err := push.ParseEpoch(text); !errors.Is(err, push.ErrBadRequest) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
