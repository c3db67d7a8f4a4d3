package websocket

import (
	"fmt"
	"slices"
	"strings"
)

// autobahnFrames is groups 1 to 5: framing, pings, reserved bits, reserved opcodes
// and fragments.
func autobahnFrames() []autobahnCase {
	return slices.Concat(autobahnFraming(), autobahnPings(), autobahnReserved(), autobahnFragments())
}

func autobahnFraming() []autobahnCase {
	var cases []autobahnCase
	for i, kind := range []struct {
		op   opcode
		fill string
	}{{opText, "*"}, {opBinary, "\xfe"}} {
		for j, n := range []int{0, 125, 126, 127, 128, 65535, 65536, 65536} {
			payload := strings.Repeat(kind.fill, n)
			s := step(fin(kind.op, payload), MessageType(kind.op).String()+" "+payload)
			if j == 7 {
				s.chop = 997
			}
			cases = append(cases, closes(fmt.Sprintf("1.%d.%d", i+1, j+1), s))
		}
	}
	return cases
}

func autobahnPings() []autobahnCase {
	long := strings.Repeat("\xfe", 125)
	binary := "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
	var pings []byte
	var pongs []string
	for i := range 10 {
		payload := fmt.Sprintf("payload-%d", i)
		pings = append(pings, fin(opPing, payload)...)
		pongs = append(pongs, "pong "+payload)
	}
	return []autobahnCase{
		closes("2.1", step(fin(opPing, ""), "pong ")),
		closes("2.2", step(fin(opPing, "Hello, world!"), "pong Hello, world!")),
		closes("2.3", step(fin(opPing, binary), "pong "+binary)),
		closes("2.4", step(fin(opPing, long), "pong "+long)),
		refused("2.5", StatusProtocolError, step(fin(opPing, long+"\xfe"))),
		closes("2.6", chopped(1, fin(opPing, long), "pong "+long)),
		closes("2.7", step(fin(opPong, ""))),
		closes("2.8", step(fin(opPong, "unsolicited"))),
		closes("2.9", step(join(fin(opPong, "unsolicited"), fin(opPing, "asked")), "pong asked")),
		closes("2.10", step(pings, pongs...)),
		closes("2.11", chopped(1, pings, pongs...)),
	}
}

func autobahnReserved() []autobahnCase {
	const hello, text = "Hello, world!", "text Hello, world!"
	rsv := func(bits byte, op opcode, payload string) []byte { return rawFrame(bitFin|bits<<4|byte(op), payload) }
	ping := fin(opPing, "")
	bad := func(number string, s autobahnStep) autobahnCase { return refused(number, StatusProtocolError, s) }
	return []autobahnCase{
		bad("3.1", step(rsv(1, opText, hello))),
		bad("3.2", step(join(fin(opText, hello), rsv(2, opText, hello), ping), text)),
		bad("3.3", chopped(19, join(fin(opText, hello), rsv(3, opText, hello), ping), text)), // a frame at a time
		bad("3.4", chopped(1, join(fin(opText, hello), rsv(4, opText, hello), ping), text)),
		bad("3.5", step(rsv(5, opBinary, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))),
		bad("3.6", step(rsv(6, opPing, hello))),
		bad("3.7", step(rsv(7, opClose, ""))),

		bad("4.1.1", step(fin(3, ""))),
		bad("4.1.2", step(fin(4, hello))),
		bad("4.1.3", step(join(fin(opText, hello), fin(5, ""), ping), text)),
		bad("4.1.4", step(join(fin(opText, hello), fin(6, hello), ping), text)),
		bad("4.1.5", chopped(1, join(fin(opText, hello), fin(7, hello), ping), text)),
		bad("4.2.1", step(fin(11, ""))),
		bad("4.2.2", step(fin(12, hello))),
		bad("4.2.3", step(join(fin(opText, hello), fin(13, ""), ping), text)),
		bad("4.2.4", step(join(fin(opText, hello), fin(14, hello), ping), text)),
		bad("4.2.5", chopped(1, join(fin(opText, hello), fin(15, hello), ping), text)),
	}
}

func autobahnFragments() []autobahnCase {
	first, last := part(opText, "fragment1"), fin(opContinuation, "fragment2") // 15 octets each
	both := join(first, last)
	const whole = "text fragment1fragment2"
	ping := fin(opPing, "ping data") // 15 octets as well
	between := join(first, ping, last)

	text := fin(opText, "Hello, world!") // 19 octets
	orphan := func(first byte) []byte { return join(rawFrame(first, "nothing open!"), text) }
	twice := func(first byte) []byte {
		one := join(rawFrame(first, "fragment0"), both)
		return join(one, one)
	}
	bad := func(number string, s autobahnStep) autobahnCase { return refused(number, StatusProtocolError, s) }

	// The first pong must come while the message is still open.
	more := func(text string) []byte { return part(opContinuation, text) } // 7 octets
	opening := join(part(opText, "1"), more("2"), fin(opPing, "A"))
	rest := join(more("3"), more("4"), fin(opPing, "B"), fin(opContinuation, "5"))

	return []autobahnCase{
		bad("5.1", step(join(part(opPing, "fragment1"), last))),
		bad("5.2", step(join(part(opPong, "fragment1"), last))),
		closes("5.3", step(both, whole)),
		closes("5.4", chopped(15, both, whole)),
		closes("5.5", chopped(1, both, whole)),
		closes("5.6", step(between, "pong ping data", whole)),
		closes("5.7", chopped(15, between, "pong ping data", whole)),
		closes("5.8", chopped(1, between, "pong ping data", whole)),
		bad("5.9", step(orphan(bitFin))),
		bad("5.10", chopped(19, orphan(bitFin))),
		bad("5.11", chopped(1, orphan(bitFin))),
		bad("5.12", step(orphan(0))),
		bad("5.13", chopped(19, orphan(0))),
		bad("5.14", chopped(1, orphan(0))),
		bad("5.15", step(join(both, part(opContinuation, "fragment3"), fin(opText, "fragment4")), whole)),
		bad("5.16", step(twice(0))),
		bad("5.17", step(twice(bitFin))),
		bad("5.18", step(join(first, fin(opText, "fragment2")))),
		closes("5.19", step(opening, "pong A"), step(rest, "pong B", "text 12345")),
		closes("5.20", chopped(7, opening, "pong A"), chopped(7, rest, "pong B", "text 12345")),
	}
}
