package broker_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/broker"
)

func TestTopicNames(t *testing.T) {
	good := []string{
		"a", "orders/42", "a//b", "../x", "%2e%2e", "A", "ü", "u\u0308", "__proto__", "tidewire", "Tidewire.a", "a/tidewire.b", "constructor", "日本", "a b", "😀",
		strings.Repeat("t", 200), `<b>"&'`, ":", "#", "{1}",
	}
	for _, topic := range good {
		if err := broker.CheckTopic(topic); err != nil {
			t.Errorf("%q: %v", topic, err)
		}
	}
	bad := []string{
		"", strings.Repeat("t", 201), strings.Repeat("t", 64<<10), "a\rb", "a\nb", "a\x00b", "a\tb", "a\x7fb", "a\u0085b",
		"a\u200bb", "a\u202eb", "a\u2028b", "\ufeffa", "a\ufffdb", "a\xffb", "\xed\xa0\x80", "a\u00a0b", "a\ue000b",
		"tidewire.", "tidewire.control", " a", "a ", "a  b", " ", "*", "news.*", "h[ae]llo", "?", `a\b`,
	}
	for _, topic := range bad {
		if err := broker.CheckTopic(topic); !errors.As(err, new(broker.BadRequestError)) {
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
		if err := broker.CheckTopic(topic); (err == nil) != want {
			t.Errorf("%q: %v", topic, err)
		}
	})
}
