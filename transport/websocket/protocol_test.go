package websocket

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// protocolCase is what a client sends after the handshake, and what an echo server
// answers. A case that doesn't say how it ends is closed by the client.
type protocolCase struct {
	group string // chapter of the Autobahn test suite, row of our own table
	name  string
	send  []byte
	want  []string
}

func ok(group, name string, send []byte, want ...string) protocolCase {
	return protocolCase{group, name, append(send, closeFrame(1000, "")...), append(want, "close 1000", "end")}
}

func fails(group, name string, send []byte, want ...string) protocolCase {
	return protocolCase{group, name, send, append(want, "end")}
}

func protocolCases() []protocolCase {
	long := func(n int) string { return strings.Repeat("*", n) }
	cases := []protocolCase{
		ok("1 framing", "empty text", fin(opText, ""), "text"),
		ok("1 framing", "empty binary", fin(opBinary, ""), "binary"),
		ok("1 framing", "NUL bytes", fin(opBinary, "\x00\xff\x00"), "binary \x00\xff\x00"),

		ok("2 pings", "empty", fin(opPing, ""), "pong"),
		ok("2 pings", "payload", fin(opPing, "\x00\xff\xfe"), "pong \x00\xff\xfe"),
		ok("2 pings", "125 bytes", fin(opPing, long(125)), "pong "+long(125)),
		fails("2 pings", "126 bytes", fin(opPing, long(126)), "close 1002"),
		ok("2 pings", "unsolicited pong", fin(opPong, "hello")),
		ok("2 pings", "unsolicited pongs", join(fin(opPong, ""), fin(opPong, "12345678"), fin(opPong, "12345678"), fin(opPing, "x")), "pong x"),
		ok("2 pings", "before the message", join(fin(opPing, "x"), fin(opText, "hi")), "pong x", "text hi"),

		fails("3 reserved bits", "RSV1", rawFrame(0xC1, "x"), "close 1002"),
		fails("3 reserved bits", "RSV2 after a message", join(fin(opText, "a"), rawFrame(0xA1, "x")), "text a", "close 1002"),
		fails("3 reserved bits", "RSV3", rawFrame(0x91, "x"), "close 1002"),
		fails("3 reserved bits", "all on a ping", rawFrame(0xF9, "x"), "close 1002"),
		fails("3 reserved bits", "on close", rawFrame(0xC8, ""), "close 1002"),
		fails("3 B24 masking", "unmasked", []byte{0x81, 0x02, 'h', 'i'}, "close 1002"),

		ok("5 fragments", "text", join(part(opText, "hel"), fin(opContinuation, "lo")), "text hello"),
		ok("5 fragments", "three with empty ones", join(part(opBinary, ""), part(opContinuation, "x"), fin(opContinuation, "")), "binary x"),
		ok("5 fragments", "ping between", join(part(opText, "hel"), fin(opPing, "p"), fin(opContinuation, "lo")), "pong p", "text hello"),
		ok("5 fragments", "character across", join(part(opText, "\xe2"), part(opContinuation, "\x82"), fin(opContinuation, "\xac")), "text €"),
		fails("5 fragments", "of a ping", join(part(opPing, "a"), fin(opContinuation, "b")), "close 1002"),
		fails("5 fragments", "of a pong", join(part(opPong, "a"), fin(opContinuation, "b")), "close 1002"),
		fails("5 B27 fragments", "continuation of nothing", fin(opContinuation, "x"), "close 1002"),
		fails("5 B27 fragments", "continuation of nothing, not last", part(opContinuation, "x"), "close 1002"),
		fails("5 B27 fragments", "continuation after the end", join(part(opText, "a"), fin(opContinuation, "b"), fin(opContinuation, "c")), "text ab", "close 1002"),
		fails("5 B27 fragments", "text inside text", join(part(opText, "a"), fin(opText, "b")), "close 1002"),
		fails("5 B27 fragments", "binary inside text", join(part(opText, "a"), part(opBinary, "b")), "close 1002"),

		ok("6 UTF-8", "valid", fin(opText, "Hello-µ@ßöäüàá-UTF-8!! 𝄞"), "text Hello-µ@ßöäüàá-UTF-8!! 𝄞"),
		fails("6 B32 UTF-8", "invalid", fin(opText, "\xce\xba\xed\xa0\x80edited"), "close 1007"),
		fails("6 B32 UTF-8", "overlong", fin(opText, "\xc0\xaf"), "close 1007"),
		fails("6 B32 UTF-8", "cut at the end", fin(opText, "a\xe2\x82"), "close 1007"),
		fails("6 B32 UTF-8", "surrogates across fragments", join(part(opText, "\xed"), fin(opContinuation, "\xa0\x80")), "close 1007"),
		fails("6 B32 UTF-8", "fails before the end of the frame", fin(opText, "\xf4\x90"+long(1000))[:10], "close 1007"),
		fails("6 B32 UTF-8", "fails before the next fragment", part(opText, "ab\xf4\x90"), "close 1007"),
		ok("6 UTF-8", "not checked in binary", fin(opBinary, "\xff\xfe"), "binary \xff\xfe"),

		fails("7 closing", "without code", fin(opClose, ""), "close"),
		fails("7 closing", "with reason", closeFrame(1000, "that's all"), "close 1000"),
		fails("7 closing", "longest reason", closeFrame(1000, long(123)), "close 1000"),
		fails("7 closing", "after a message", join(fin(opText, "a"), closeFrame(1001, "")), "text a", "close 1001"),
		fails("7 closing", "inside a message", join(part(opText, "a"), closeFrame(1000, ""), fin(opContinuation, "b")), "close 1000"),
		fails("7 B36 closing", "data after it", join(closeFrame(1000, ""), fin(opText, "late"), fin(opPing, "late")), "close 1000"),
		fails("7 B36 closing", "much data after it", join(closeFrame(1000, ""), bytes.Repeat(fin(opText, "late"), 50_000)), "close 1000"),
		fails("7 closing", "twice", join(closeFrame(1000, ""), closeFrame(1001, "")), "close 1000"),
		fails("7 B34 closing", "half a code", fin(opClose, "\x03"), "close 1002"),
		fails("7 B34 closing", "reason not UTF-8", closeFrame(1000, "\xce\xed\xa0"), "close 1002"),
		fails("7 B34 closing", "reason of 124 bytes", closeFrame(1000, long(124)), "close 1002"),

		ok("9 B25 limits", "largest message", fin(opBinary, long(1<<20)), "binary 1048576 bytes"),
		fails("9 B25 limits", "one too many", fin(opBinary, long(1<<20+1)), "close 1009"),
		fails("9 B25 limits", "63 bits", []byte{0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}, "close 1009"),
		fails("9 B25 limits", "64 bits", []byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, "close 1002"),
		fails("9 B25 limits", "63 bits after a fragment", join(part(opBinary, "x"), []byte{0x80, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}), "close 1009"),
		fails("9 B29 limits", "endless fragments", append(part(opBinary, long(1000)), bytes.Repeat(part(opContinuation, long(1000)), 1100)...), "close 1009"),

		ok("10 autofragment", "65536 in 1300s", slices.Concat(part(opText, long(1300)), bytes.Repeat(part(opContinuation, long(1300)), 49), fin(opContinuation, long(536))), "text 65536 bytes"),
	}
	for _, n := range []int{1, 124, 125, 126, 127, 128, 511, 512, 513, 4095, 4096, 4097, 65535, 65536} {
		cases = append(cases,
			ok("1 framing", fmt.Sprintf("text of %d", n), fin(opText, long(n)), describe("text", n)),
			ok("1 framing", fmt.Sprintf("binary of %d", n), fin(opBinary, long(n)), describe("binary", n)))
	}
	for _, op := range []opcode{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		cases = append(cases, fails("4 B24 opcodes", fmt.Sprintf("%X", op), join(fin(opText, "a"), fin(op, "x")), "text a", "close 1002"))
	}
	for _, code := range []StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, fails("7 closing", fmt.Sprintf("code %d", code), closeFrame(code, ""), fmt.Sprintf("close %d", code)))
	}
	for _, code := range []StatusCode{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, fails("7 B34 closing", fmt.Sprintf("code %d", code), closeFrame(code, ""), "close 1002"))
	}
	pings, pongs := []byte(nil), []string(nil)
	for i := range 100 {
		pings = append(pings, fin(opPing, fmt.Sprint(i))...)
		pongs = append(pongs, fmt.Sprintf("pong %d", i))
	}
	return append(cases, ok("2 pings", "a hundred at once", pings, pongs...))
}

func describe(typ string, n int) string {
	if n > 200 {
		return fmt.Sprintf("%s %d bytes", typ, n)
	}
	return typ + " " + strings.Repeat("*", n)
}

func TestProtocol(t *testing.T) {
	opts := &AcceptOptions{MaxMessage: 1 << 20, CloseTimeout: time.Hour}
	whole := serve(t, opts, func(c *Conn) { echoWhole(c) })
	stream := serve(t, opts, func(c *Conn) { echoStream(c) })
	for _, tt := range protocolCases() {
		t.Run(tt.group+"/"+tt.name, func(t *testing.T) {
			t.Run("whole", func(t *testing.T) { runCase(t, whole, tt, len(tt.send)) })
			t.Run("stream", func(t *testing.T) {
				if strings.HasPrefix(tt.group, "9") || strings.Contains(tt.want[0], " 65536 ") || strings.Contains(tt.want[0], " 65535 ") {
					tt.want = nil // comes back in fragments; TestStreamEcho looks at those
				}
				runCase(t, stream, tt, len(tt.send))
			})
			if len(tt.send) < 2000 {
				t.Run("byte by byte", func(t *testing.T) { runCase(t, whole, tt, 1) })
			}
		})
	}
}

func runCase(t *testing.T, server *httptest.Server, tt protocolCase, step int) {
	p := dialRaw(t, server)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for piece := range slices.Chunk(tt.send, step) {
			if _, err := p.Write(piece); err != nil {
				return // refused meanwhile, which is what some cases are about
			}
		}
	}()
	got := p.Rest()
	p.Close()
	<-sent
	if tt.want != nil && !slices.Equal(got, tt.want) {
		t.Errorf("got %q, want %q", got, tt.want)
	}
	if got[len(got)-1] != "end" {
		t.Errorf("ended by %q", got[len(got)-1])
	}
}

func TestStreamEcho(t *testing.T) {
	server := serve(t, &AcceptOptions{MaxMessage: 1 << 20}, func(c *Conn) { echoStream(c) })
	p := dialRaw(t, server)
	p.Write(fin(opText, strings.Repeat("x", 40_000)))
	want := []string{"part text 16374 bytes", "part more 16374 bytes", "more 7252 bytes"}
	for _, w := range want {
		if got := p.Next(); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}
