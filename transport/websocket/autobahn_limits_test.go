package websocket

import (
	"fmt"
	"strings"
)

// autobahnLimits is groups 9 and 10: large messages, whole, in fragments and in
// chops, and many small ones, each sent when the one before has come back. The
// suite's 9.9 and 9.10, without end, aren't in its list of cases either. Each case
// is made when its turn comes, since all at once would be hundreds of megabytes.
func autobahnLimits(yield func(autobahnCase) bool) {
	kinds := []struct {
		op            opcode
		pattern, fill string
	}{
		{opText, "BAsd7&jh23", "*"},
		{opBinary, "\x00\xfe\x23\xfa\xf0", "\xfe"},
	}
	long := strings.Repeat("*", 1<<16)
	more := yield(closes("10.1.1", step(fragmented(opText, long, 1300), "text "+long)))
	for i, kind := range kinds {
		name := MessageType(kind.op).String() + " "
		add := func(chapter, n int, steps ...autobahnStep) {
			more = more && yield(closes(fmt.Sprintf("9.%d.%d", chapter+i, n+1), steps...))
		}
		for n, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
			payload := repeated(kind.pattern, size)
			add(1, n, step(fin(kind.op, payload), name+payload))
		}
		for n, size := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			payload := strings.Repeat(kind.fill, 4<<20)
			add(3, n, step(fragmented(kind.op, payload, size), name+payload))
		}
		for n, chop := range []int{64, 128, 256, 512, 1024, 2048} {
			payload := repeated(kind.pattern, 1<<20)
			add(5, n, chopped(chop, fin(kind.op, payload), name+payload))
		}
		for n, size := range []int{0, 16, 64, 256, 1024, 4096} {
			payload := strings.Repeat(kind.fill, size)
			one := step(fin(kind.op, payload), name+payload)
			steps := make([]autobahnStep, 1000)
			for j := range steps {
				steps[j] = one
			}
			add(7, n, steps...)
		}
	}
}
