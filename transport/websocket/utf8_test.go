package websocket

import (
	"testing"
	"unicode/utf8"
)

func TestTextCheckerAtEveryCut(t *testing.T) {
	tests := []struct {
		name, text string
		// failsAt is the number of bytes after which nothing can save the text;
		// 0 if it is valid, -1 if only its end is missing.
		failsAt int
	}{
		{"ASCII", "hello", 0},
		{"two to four bytes", "κόσμε € 𝄞 \U0010FFFF", 0},
		{"boundaries", "\x00\x7f\u0080\u07ff\u0800\uffff\U00010000", 0},
		{"noncharacter", "\ufffe", 0},
		{"cut short", "abc€"[:5], -1},
		{"four cut short", "\xf0\x9d\x84", -1},
		{"lone continuation", "ab\x80", 3},
		{"overlong slash", "\xc0\xaf", 1},
		{"overlong of three", "\xe0\x80\xaf", 2},
		{"overlong of four", "\xf0\x80\x80\xaf", 2},
		{"surrogate", "\xed\xa0\x80", 2},
		{"surrogate pair", "x\xed\xa0\x80\xed\xb0\x80", 3},
		{"above the last", "\xf4\x90\x80\x80", 2},
		{"five bytes", "\xf8\x88\x80\x80\x80", 1},
		{"FE", "\xfe", 1},
		{"start twice", "\xe2\xe2", 2},
		{"ASCII inside", "\xe2\x82a", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for first := 0; first <= len(tt.text); first++ {
				for second := first; second <= len(tt.text); second++ {
					checkPieces(t, tt.failsAt, tt.text[:first], tt.text[first:second], tt.text[second:])
				}
			}
		})
	}
}

func checkPieces(t *testing.T, failsAt int, pieces ...string) {
	t.Helper()
	var c textChecker
	seen := 0
	for _, p := range pieces {
		seen += len(p)
		ok := c.add([]byte(p))
		if want := failsAt <= 0 || seen < failsAt; ok != want {
			t.Fatalf("%q: after %d bytes %t, want %t", pieces, seen, ok, want)
		}
		if !ok {
			return
		}
	}
	if want := failsAt == 0; c.complete() != want {
		t.Fatalf("%q: complete %t, want %t", pieces, c.complete(), want)
	}
}

func FuzzTextChecker(f *testing.F) {
	f.Add([]byte("κόσμε"), uint(3))
	f.Add([]byte("\xed\xa0\x80"), uint(1))
	f.Fuzz(func(t *testing.T, text []byte, step uint) {
		var c textChecker
		valid := true
		for rest := text; len(rest) > 0 && valid; {
			n := min(int(step%7)+1, len(rest))
			valid = c.add(rest[:n])
			rest = rest[n:]
		}
		if got := valid && c.complete(); got != utf8.Valid(text) {
			t.Fatalf("%q: %t", text, got)
		}
	})
}
