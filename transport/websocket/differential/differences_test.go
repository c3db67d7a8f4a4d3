package differential

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	gorilla "github.com/gorilla/websocket"
)

// difference is one that is allowed: it says what another server does where ours
// keeps to the RFC.
type difference struct {
	libraries []string
	refusal   string // the rule by which ours refuses; "": any, or none
	what      string // it is that the other does; and what the RFC has to say
	is        func(own, theirs outcome) bool
}

// explain returns the first allowed difference that fits, or nil.
func explain(list []difference, library string, own, theirs outcome) *difference {
	for i, d := range list {
		rule := d.refusal == "" || d.refusal == own.refusal
		if rule && slices.Contains(d.libraries, library) && d.is(own, theirs) {
			return &list[i]
		}
	}
	return nil
}

var (
	both        = []string{"gorilla", "coder"}
	onlyGorilla = []string{"gorilla"}
	onlyCoder   = []string{"coder"}
)

var frameDifferences = []difference{
	{both, "", "sees sooner or later than ours that a frame is wrong, which the end of the connection has cut (6455, 7.1.7: " +
		"when to fail is left open)", cutShort},
	{both, "length not in its shortest form", "takes any form (6455, 5.2: the fewest bytes that will do, nothing else)", goesOn},
	{both, "text not UTF-8", "delivers it to the application (6455, 8.1: the connection has to fail)", goesOn},
	{both, "corrupt compressed data", "delivers what was in front of the flaw, or ends without a close frame " +
		"(7692, 7.2.2: a payload is whole blocks, ended as by 7.2.1; 6455, 7.1.7: a close frame ought to go out)", goesOn},
	{both, "", "looks into compressed data before it minds a length or the next frame, and ends without a close frame at a flaw " +
		"(6455, 7.1.7)", func(own, theirs outcome) bool {
		return own.refusal != "" && strings.Contains(theirs.err.Error(), "flate: corrupt input") && closesWith(0)(own, theirs)
	}},
	{onlyGorilla, "reserved bit set", "takes RSV1 on control frames once compression is agreed on (7692, 6.1: it is for " +
		"the first frame of a message)", goesOn},
	{onlyGorilla, "close frame with half a status", "takes it for none (6455, 5.5.1: a body starts with two bytes of status)",
		closesWith(1005)},
	{onlyCoder, "close reason not UTF-8", "answers with the status (6455, 5.5.1: the reason is UTF-8)", answersStatus},
	{onlyCoder, "", "drops the connection for a frame without mask (6455, 5.1 leaves it to the server whether it says 1002)",
		func(own, theirs outcome) bool {
			return strings.Contains(theirs.err.Error(), "unmasked frame") && closesWith(0)(own, theirs)
		}},
	{onlyCoder, "control frame too long", "takes a short payload whose length is in a long form (6455, 5.5 and 5.2)", goesOn},
	{both, "", "drops the connection for a length that needs 64 bits, or a message that does (6455, 5.2: the first bit is 0; " +
		"7.1.7: a close frame ought to go out)", func(own, theirs outcome) bool {
		overflow := errors.Is(theirs.err, gorilla.ErrReadLimit) || strings.Contains(theirs.err.Error(), "negative payload length")
		return overflow && closesWith(0)(own, theirs)
	}},
	{onlyGorilla, "", "refuses 1014, which was registered after the RFC (7.4.2: by the registry)", func(own, theirs outcome) bool {
		return own.closeCode == 1014 && closesWith(1002)(own, theirs)
	}},
	{onlyGorilla, "", "ends on a compressed message without any payload, which ours takes for an empty one (7692, 7.2.3.6 has " +
		"one byte for that, and no word on this)", func(own, theirs outcome) bool {
		return startsWith(own.messages, append(slices.Clone(theirs.messages), "text ")) ||
			startsWith(own.messages, append(slices.Clone(theirs.messages), "binary "))
	}},
	{onlyGorilla, "", "delivers a compressed message after its last block, whatever becomes of its last frame (6455, 5.4)",
		deliversEarly},
	{onlyCoder, "", "fails at the next compressed message after one that ends with a last block (7692, 7.2.3.4: it may end so)",
		func(own, theirs outcome) bool {
			return strings.Contains(theirs.err.Error(), "flate: corrupt input") && theirs.closeCode == 0 && goesOn(theirs, own)
		}},
	{onlyCoder, "", "or delivers something if that one has no payload", func(own, theirs outcome) bool {
		for i := 1; i < min(len(own.messages), len(theirs.messages)); i++ {
			if own.messages[i] != theirs.messages[i] {
				return own.messages[i] == "text " || own.messages[i] == "binary "
			}
		}
		return false
	}},
	{onlyCoder, "", "delivers a compressed message at its last block, and then can't read on if that wasn't in its last frame",
		stuckEarly},
	{onlyCoder, "", "delivers a message that the end of the connection has cut (6455, 5.4: it ends with FIN)", deliversCut},
}

// goesOn: the other has done all that ours did before it refused. What it does
// from there on can't be compared.
func goesOn(own, theirs outcome) bool {
	return startsWith(theirs.messages, own.messages) && startsWith(theirs.pongs, own.pongs)
}

func startsWith(list, prefix []string) bool {
	return len(list) >= len(prefix) && slices.Equal(list[:len(prefix)], prefix)
}

// closesWith: the same up to the close frame.
func closesWith(code int) func(own, theirs outcome) bool {
	return func(own, theirs outcome) bool {
		return theirs.closeCode == code && slices.Equal(own.messages, theirs.messages) && slices.Equal(own.pongs, theirs.pongs)
	}
}

func answersStatus(own, theirs outcome) bool {
	return theirs.closeCode >= 1000 && closesWith(theirs.closeCode)(own, theirs)
}

func cutShort(own, theirs outcome) bool {
	later := own.refusal != "" && theirs.ended() && closesWith(0)(own, theirs)
	// 1009 for the announced length of a compressed frame: ours counts what comes out of it.
	sooner := own.ended() && own.closeCode == 0 && (closesWith(1002)(own, theirs) || closesWith(1009)(own, theirs))
	return later || sooner
}

// deliversEarly: one message more, and then an end that is the same, or is another by
// the stream's end or by one of gorilla's ways to close.
func deliversEarly(own, theirs outcome) bool {
	sameEnd := theirs.closeCode == own.closeCode || theirs.ended() || own.ended()
	gorillas := errors.Is(theirs.err, gorilla.ErrReadLimit) || theirs.closeCode == 1005 || own.closeCode == 1014
	return (sameEnd || gorillas) && len(theirs.messages) == len(own.messages)+1 && goesOn(own, theirs)
}

// stuckEarly: behind ours, but for the message that it delivers too early.
func stuckEarly(own, theirs outcome) bool {
	behind := startsWith(own.messages, theirs.messages) ||
		len(theirs.messages) == len(own.messages)+1 && startsWith(theirs.messages, own.messages)
	return behind && startsWith(own.pongs, theirs.pongs) && theirs.closeCode == 0 && theirs.unread()
}

func deliversCut(own, theirs outcome) bool {
	return theirs.ended() && theirs.closeCode == 0 && deliversEarly(own, theirs)
}

// ended reports whether the stream ended before the server had any cause to end.
func (o outcome) ended() bool {
	return errors.Is(o.err, io.EOF) || errors.Is(o.err, io.ErrUnexpectedEOF) ||
		gorilla.IsCloseError(o.err, gorilla.CloseAbnormalClosure) || o.unread()
}

// unread is what coder's says after it has delivered a message that isn't complete.
func (o outcome) unread() bool { return strings.Contains(o.err.Error(), "previous message not read") }

// A difference that no seed shows is either gone or was never there.
func TestFrameDifferencesAreReal(t *testing.T) {
	seen := map[*difference]bool{}
	for _, whole := range byteSeeds() {
		for m := plain; m <= takeover; m++ {
			for cut := range min(len(whole), 7) {
				input := whole[:len(whole)-cut]
				own := ours.run(handshake(m), m, input, 1000)
				for _, other := range others {
					theirs := other.run(handshake(m), m, input, 1000)
					if !sameFrames(own, theirs) {
						seen[explain(frameDifferences, other.name, own, theirs)] = true
					}
				}
			}
		}
	}
	wantSeen(t, frameDifferences, seen)
}

func wantSeen(t *testing.T, list []difference, seen map[*difference]bool) {
	t.Helper()
	for i, d := range list {
		if !seen[&list[i]] {
			t.Errorf("no seed shows: %v %q %s", d.libraries, d.refusal, d.what)
		}
	}
}
