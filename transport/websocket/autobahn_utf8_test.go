package websocket

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf8"
)

const (
	greek     = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" // κόσμε
	surrogate = greek + "\xed\xa0\x80edited"
	beyond    = greek + "\xf4\x90\x80\x80edited" // a character over U+10FFFF; its second octet shows it
)

// autobahnUTF8 is group 6.
func autobahnUTF8() []autobahnCase {
	const mixed = "Hello-µ@ßöäüàá-UTF-8!!"
	const half = len("Hello-µ@ßöä")
	ping := fin(opPing, "")
	bad := func(number string, steps ...autobahnStep) autobahnCase {
		return refused(number, StatusInvalidData, steps...)
	}
	cases := []autobahnCase{
		closes("6.1.1", step(fin(opText, ""), "text ")),
		closes("6.1.2", step(join(part(opText, ""), part(opContinuation, ""), fin(opContinuation, "")), "text ")),
		closes("6.1.3", step(join(part(opText, ""), part(opContinuation, "middle"), fin(opContinuation, "")), "text middle")),
		closes("6.2.1", step(fin(opText, mixed), "text "+mixed)),
		closes("6.2.2", step(join(part(opText, mixed[:half]), fin(opContinuation, mixed[half:])), "text "+mixed)),
		closes("6.2.3", step(fragmented(opText, mixed, 1), "text "+mixed)),
		closes("6.2.4", step(fragmented(opText, greek, 1), "text "+greek)),
		bad("6.3.1", step(fin(opText, surrogate))),
		bad("6.3.2", step(fragmented(opText, surrogate, 1))),

		// Failing fast: the rest of the message never comes. The pong shows that
		// what came first was taken. Inside a frame there is no room for a ping, see
		// TestAutobahnFailFast.
		bad("6.4.1", step(join(part(opText, greek), ping), "pong "), step(part(opContinuation, "\xf4\x90\x80\x80"))),
		bad("6.4.2", step(join(part(opText, beyond[:12]), ping), "pong "), step(part(opContinuation, beyond[12:13]))),
		bad("6.4.3", chopped(6+len(greek), cutBy(fin(opText, beyond), len("edited")))),
		bad("6.4.4", chopped(6+12, cutBy(fin(opText, beyond), len(beyond)-13))),
	}
	for i, chapter := range autobahnSequences {
		for j, text := range chapter {
			number := fmt.Sprintf("6.%d.%d", i+5, j+1)
			if utf8.ValidString(text) {
				cases = append(cases, closes(number, step(fin(opText, text), "text "+text)))
			} else {
				cases = append(cases, bad(number, step(fin(opText, text))))
			}
		}
	}
	return cases
}

func cutBy(b []byte, n int) []byte { return b[:len(b)-n] }

// autobahnSequences is chapters 6.5 to 6.23, most of them from Markus Kuhn's well
// known stress test for UTF-8 decoders. TestAutobahnSequences says how many of each
// are valid.
var autobahnSequences = [][]string{
	{"hello\x24world", "hello\xc2\xa2world", "hello\xe2\x82\xacworld", "hello\xf0\xa4\xad\xa2world", greek},
	{ // every beginning of a word
		greek[:1], greek[:2], greek[:3], greek[:4], greek[:5], greek[:6], greek[:7], greek[:8], greek[:9], greek[:10], greek,
	},
	{"\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"}, // first of each length
	{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"},
	{"\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}, // last of each length
	{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"},
	{"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80"},
	{ // continuation octets that continue nothing
		"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf",
		octets(0x80, 0xbe, ""),
	},
	{ // first octets that nothing continues
		octets(0xc0, 0xde, " "), octets(0xe0, 0xee, " "), octets(0xf0, 0xf6, " "), octets(0xf8, 0xfa, " "), octets(0xfc, 0xfc, " "),
	},
	unfinished,
	{strings.Join(unfinished, "")},
	{"\xfe", "\xff", "\xfe\xfe\xff\xff"},
	{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"},             // slashes, overlong
	{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"},             // last overlong ones
	{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"},             // NULs, overlong
	{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}, // surrogates
	{ // pairs of them
		"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
		"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
	},
	nonCharacters(),
	{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"},
}

// unfinished lack their last octet.
var unfinished = []string{
	"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
	"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
}

func octets(from, to int, after string) string {
	var all []byte
	for c := from; c <= to; c++ {
		all = append(append(all, byte(c)), after...)
	}
	return string(all)
}

// nonCharacters are the last two code points of each plane, which are valid UTF-8.
func nonCharacters() []string {
	var all []string
	for plane := range rune(17) {
		all = append(all, string(plane<<16|0xFFFE), string(plane<<16|0xFFFF))
	}
	return all
}

func TestAutobahnSequences(t *testing.T) {
	want := []int{5, 5, 4, 0, 4, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 34, 7}
	for i, chapter := range autobahnSequences {
		valid := 0
		for _, text := range chapter {
			if utf8.ValidString(text) {
				valid++
			}
		}
		if valid != want[i] {
			t.Errorf("chapter 6.%d has %d valid texts, want %d", i+5, valid, want[i])
		}
	}
}

// Every text of group 6 that isn't valid, sent octet by octet, is refused at the
// very octet after which nothing could make it valid, be each a fragment or all
// of them inside one frame: not before, and not when more has come. If only the
// end is missing, the end of the message is that moment.
func TestAutobahnFailFast(t *testing.T) {
	texts := []string{surrogate, beyond}
	for _, chapter := range autobahnSequences {
		texts = append(texts, chapter...)
	}
	refusedEarly := 0
	for _, text := range texts {
		if utf8.ValidString(text) {
			continue
		}
		at := firstImpossible(text)
		if at <= len(text) {
			refusedEarly++
		}
		var fragments, chops [][]byte
		op := opText
		frame := fin(opText, text+" ") // an octet more than is sent
		for i := range len(text) {
			fragments = append(fragments, part(op, text[i:i+1]))
			chops = append(chops, frame[6+i:7+i])
			op = opContinuation
		}
		fragments = append(fragments, fin(opContinuation, ""))
		chops[0] = join(frame[:6], chops[0])
		chops = append(chops, frame[6+len(text):])
		synctest.Test(t, func(t *testing.T) { wantRefusalAt(t, text, at, fragments) })
		synctest.Test(t, func(t *testing.T) { wantRefusalAt(t, text, at, chops) })
	}
	t.Logf("%d texts are refused before they end", refusedEarly)
}

// firstImpossible is the number of octets after which s can't become valid, and
// one more than s has if it is just not complete.
func firstImpossible(s string) int {
	for n := 1; n <= len(s); n++ {
		if !canBecomeValid(s[:n], utf8.UTFMax-1) {
			return n
		}
	}
	return len(s) + 1
}

// canBecomeValid tries the continuations that the table of RFC 3629 has as limits.
func canBecomeValid(s string, more int) bool {
	if utf8.ValidString(s) {
		return true
	}
	for _, next := range "\u0080\u008f\u0090\u009f\u00a0\u00bf" {
		if more > 0 && canBecomeValid(s+string([]byte{byte(next)}), more-1) {
			return true
		}
	}
	return false
}

// wantRefusalAt sends one piece after the other. The server has done all that it
// can with a piece when nothing runs any more.
func wantRefusalAt(t *testing.T, text string, at int, pieces [][]byte) {
	c, p := pipe(t, nil, deflateParams{})
	var mu sync.Mutex
	var got []string
	go func() {
		for {
			event := p.event()
			mu.Lock()
			got = append(got, event)
			mu.Unlock()
			if event == "end" || strings.HasPrefix(event, "broken") {
				return
			}
		}
	}()
	go echoWhole(c)
	for i, piece := range pieces {
		p.Write(piece)
		synctest.Wait()
		mu.Lock()
		told := strings.Join(got, ", ")
		mu.Unlock()
		switch {
		case i+1 < at && told != "":
			t.Errorf("%q, which fails at octet %d, after octet %d: %s", text, at, i+1, told)
			return
		case i+1 == at:
			if !strings.HasPrefix(told, "close 1007") {
				t.Errorf("%q after octet %d: told %q, want close 1007", text, at, told)
			}
			return
		}
	}
	t.Errorf("%q: not refused", text)
}
