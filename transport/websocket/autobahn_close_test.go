package websocket

import (
	"fmt"
	"strings"
)

// autobahnClosing is group 7: the closing handshake. In three cases the suite only
// takes note of what a server does: 7.1.6, where ours handles what came before the
// close frame, and 7.13, where it refuses codes that nobody may send.
func autobahnClosing() []autobahnCase {
	const invalid = "κόσμε\xed\xa0\x80edited"
	goodbye := closeFrame(StatusNormal, "")
	large := repeated("BAsd7&jh23", 256<<10)
	ends := func(number string, code StatusCode, send []byte, before ...string) autobahnCase {
		return refused(number, code, step(send, before...))
	}
	cases := []autobahnCase{
		closes("7.1.1", step(fin(opText, "Hello World!"), "text Hello World!")),
		ends("7.1.2", StatusNormal, join(goodbye, fin(opClose, ""))),
		ends("7.1.3", StatusNormal, join(goodbye, fin(opPing, ""))),
		ends("7.1.4", StatusNormal, join(goodbye, fin(opText, "Hello World!"))),
		ends("7.1.5", StatusNormal, join(part(opText, "fragment1"), goodbye, fin(opContinuation, "fragment2"))),
		ends("7.1.6", StatusNormal, join(fin(opText, large), fin(opText, "Hello World!"), goodbye, fin(opPing, "")),
			"text "+large, "text Hello World!"),

		{"7.3.1", []autobahnStep{step(fin(opClose, ""), "close", "end")}},
		ends("7.3.2", StatusProtocolError, fin(opClose, "a")),
		ends("7.3.3", StatusNormal, goodbye),
		ends("7.3.4", StatusNormal, closeFrame(StatusNormal, "Hello World!")),
		ends("7.3.5", StatusNormal, closeFrame(StatusNormal, strings.Repeat("*", 123))),
		ends("7.3.6", StatusProtocolError, closeFrame(StatusNormal, strings.Repeat("*", 124))),

		ends("7.5.1", StatusProtocolError, closeFrame(StatusNormal, invalid)),
		ends("7.13.1", StatusProtocolError, closeFrame(5000, "")),
		ends("7.13.2", StatusProtocolError, closeFrame(65535, "")),
	}
	for i, code := range []StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, ends(fmt.Sprintf("7.7.%d", i+1), code, closeFrame(code, "")))
	}
	for i, code := range []StatusCode{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		cases = append(cases, ends(fmt.Sprintf("7.9.%d", i+1), StatusProtocolError, closeFrame(code, "")))
	}
	return cases
}
