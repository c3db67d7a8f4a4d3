package websocket

import "unicode/utf8"

// textChecker checks UTF-8 that arrives in pieces cut anywhere. It refuses a
// piece as soon as nothing that may follow could make the text valid.
type textChecker struct {
	tail [utf8.UTFMax]byte // start of a character whose rest is still to come
	n    int
}

// add reports whether the text is still valid with the piece p at its end.
func (t *textChecker) add(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.tail[t.n] = p[0]
		t.n++
		p = p[1:]
		if utf8.FullRune(t.tail[:t.n]) {
			if !utf8.Valid(t.tail[:t.n]) {
				return false
			}
			t.n = 0
		}
	}
	end := len(p)
	for i := len(p) - 1; i >= 0 && i > len(p)-utf8.UTFMax; i-- {
		if !utf8.RuneStart(p[i]) {
			continue
		}
		if !utf8.FullRune(p[i:]) {
			end = i
			t.n = copy(t.tail[:], p[i:])
		}
		break
	}
	return utf8.Valid(p[:end])
}

// complete reports whether the text may end here.
func (t *textChecker) complete() bool { return t.n == 0 }
