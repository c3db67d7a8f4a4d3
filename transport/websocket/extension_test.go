package websocket

import (
	"slices"
	"strings"
	"testing"
)

func TestNegotiateDeflate(t *testing.T) {
	const none = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	tests := []struct {
		name  string
		offer []string
		none  string // answer without takeover
		with  string // answer with takeover
	}{
		{"no offer", nil, "", ""},
		{"plain", []string{"permessage-deflate"}, none, "permessage-deflate"},
		{"Chromium", []string{"permessage-deflate; client_max_window_bits"}, none, "permessage-deflate"},
		{"other extension first", []string{"x-webkit-deflate-frame, permessage-deflate"}, none, "permessage-deflate"},
		{"on the second line", []string{"foo", "permessage-deflate"}, none, "permessage-deflate"},
		{"client window", []string{"permessage-deflate; client_max_window_bits=10"}, none, "permessage-deflate"},
		{"server window", []string{"permessage-deflate; server_max_window_bits=10"}, none + "; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{"smallest window", []string{"permessage-deflate; server_max_window_bits=8"}, none + "; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=8"},
		{"quoted window", []string{`permessage-deflate; server_max_window_bits="12"`}, none + "; server_max_window_bits=12", "permessage-deflate; server_max_window_bits=12"},
		{"no takeover asked for", []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, none, none},
		{"no server takeover", []string{"permessage-deflate; server_no_context_takeover"}, none, "permessage-deflate; server_no_context_takeover"},
		{"no client takeover", []string{"permessage-deflate;client_no_context_takeover"}, none, "permessage-deflate; client_no_context_takeover"},
		{"empty elements", []string{" , permessage-deflate ,, "}, none, "permessage-deflate"},

		{"window too large", []string{"permessage-deflate; server_max_window_bits=99"}, "", ""},
		{"window too small", []string{"permessage-deflate; server_max_window_bits=7"}, "", ""},
		{"window with zero", []string{"permessage-deflate; server_max_window_bits=08"}, "", ""},
		{"window with sign", []string{"permessage-deflate; server_max_window_bits=+9"}, "", ""},
		{"window without value", []string{"permessage-deflate; server_max_window_bits"}, "", ""},
		{"client window of 16", []string{"permessage-deflate; client_max_window_bits=16"}, "", ""},
		{"takeover with value", []string{"permessage-deflate; server_no_context_takeover=1"}, "", ""},
		{"repeated", []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, "", ""},
		{"unknown", []string{"permessage-deflate; foo"}, "", ""},
		{"fallback", []string{"permessage-deflate; server_max_window_bits=99, permessage-deflate; client_max_window_bits"}, none, "permessage-deflate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offers, _ := parseExtensions(tt.offer)
			if _, got := negotiateDeflate(offers, CompressionNoContextTakeover); got != tt.none {
				t.Errorf("without takeover %q, want %q", got, tt.none)
			}
			if _, got := negotiateDeflate(offers, CompressionContextTakeover); got != tt.with {
				t.Errorf("with takeover %q, want %q", got, tt.with)
			}
			if _, got := negotiateDeflate(offers, CompressionOff); got != "" {
				t.Errorf("switched off %q", got)
			}
		})
	}
}

func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"permessage-deflate", "a; b=c; d=\"e\", f", `x; y="\z"`, ",,", "a;", "0 0", "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		found, err := parseExtensions([]string{list})
		if err != nil {
			if found != nil {
				t.Fatal("refused but not empty")
			}
			return
		}
		// What was understood, written down again, is understood the same way.
		var again strings.Builder
		for _, ext := range found {
			again.WriteString(", " + ext.name)
			for _, p := range ext.params {
				again.WriteString("; " + p.name)
				if p.hasValue {
					again.WriteString("=" + p.value)
				}
			}
		}
		second, err := parseExtensions([]string{again.String()})
		if err == errListTooLong { // it has more spaces
			return
		}
		if err != nil || !slices.EqualFunc(found, second, func(a, b extension) bool {
			return a.name == b.name && slices.Equal(a.params, b.params)
		}) {
			t.Fatalf("%q became %q", list, again.String())
		}
		if params, answer := negotiateDeflate(found, CompressionContextTakeover); params.on {
			offer, _ := parseExtensions([]string{answer})
			if _, again := negotiateDeflate(offer, CompressionContextTakeover); again != answer {
				t.Fatalf("answer %q isn't an offer to accept", answer)
			}
			if params.sendBits < minWindowBits || params.sendBits > maxWindowBits {
				t.Fatalf("window of %d bits", params.sendBits)
			}
		}
	})
}
