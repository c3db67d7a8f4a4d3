package websocket

import (
	"bytes"
	"compress/flate"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The suite sends 1,000 messages in each case of groups 12 and 13, which are 11 GB
// and minutes without the race detector.
var autobahnMessages = flag.Int("autobahn.messages", 2, "messages in each case of groups 12 and 13; the suite's own number is 1000")

// autobahnSizes are the sizes of messages and of their fragments (0: whole) in each
// chapter of groups 12 and 13.
var autobahnSizes = []struct{ message, fragment int }{
	{16, 0}, {64, 0}, {256, 0}, {1024, 0}, {4096, 0}, {8192, 0}, {16384, 0}, {32768, 0}, {65536, 0}, {131072, 0},
	{8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768},
}

// autobahnOffers are the chapters of group 13. The suite's client always says that
// it takes parameters for itself.
var autobahnOffers = []struct{ offer, answer string }{
	{clientTakes, clientKeepsNothing},
	{clientTakes + "; server_no_context_takeover", nobodyKeeps},
	{clientTakes + "; server_max_window_bits=9", clientKeepsNothing + "; server_max_window_bits=9"},
	{clientTakes + "; server_max_window_bits=15", clientKeepsNothing + "; server_max_window_bits=15"},
	{clientTakes + "; server_no_context_takeover; server_max_window_bits=9", nobodyKeeps + "; server_max_window_bits=9"},
	{clientTakes + "; server_no_context_takeover; server_max_window_bits=15", nobodyKeeps + "; server_max_window_bits=15"},
	{
		clientTakes + "; server_no_context_takeover; server_max_window_bits=9, " +
			clientTakes + "; server_no_context_takeover, " + clientTakes,
		nobodyKeeps + "; server_max_window_bits=9",
	},
}

const (
	clientTakes        = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
	clientKeepsNothing = "permessage-deflate; client_no_context_takeover"
	nobodyKeeps        = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

func TestAutobahnCompression(t *testing.T) {
	opts := &AcceptOptions{MaxMessage: 1 << 20, Compression: CompressionContextTakeover, CompressionThreshold: 1}
	whole := serve(t, opts, func(c *Conn) { echoWhole(c) })
	stream := serve(t, opts, func(c *Conn) { echoPieces(c, 10_000) })

	passed := map[string]int{}
	run := func(group string, chapter int, offer, answer string, source autobahnSource) {
		for i, size := range autobahnSizes {
			number := fmt.Sprintf("%s.%d.%d", group, chapter+1, i+1)
			ok := t.Run(number, func(t *testing.T) {
				for name, server := range map[string]*httptest.Server{"whole": whole, "stream": stream} {
					t.Run(name, func(t *testing.T) {
						p := dialDeflate(t, server, offer, answer)
						for n := range *autobahnMessages {
							p.exchange(source.typ, source.message(n, size.message), size.fragment)
						}
						p.close()
					})
				}
			})
			if ok {
				passed[group]++
			}
		}
	}
	for chapter, source := range autobahnSources() {
		run("12", chapter, clientTakes, clientKeepsNothing, source)
	}
	for chapter, params := range autobahnOffers {
		run("13", chapter, params.offer, params.answer, autobahnSources()[0])
	}
	wantAutobahnCounts(t, passed, "12", "13")
}

// Beyond the suite: each parameter with each value, in both modes of the server. The
// client holds the server to the window that it has asked for.
func TestDeflateParameters(t *testing.T) {
	modes := map[CompressionMode]*httptest.Server{}
	for _, mode := range []CompressionMode{CompressionNoContextTakeover, CompressionContextTakeover} {
		modes[mode] = serve(t, &AcceptOptions{Compression: mode, CompressionThreshold: 1}, func(c *Conn) { echoWhole(c) })
	}
	source := autobahnSources()[0]
	offers := 0
	for mode, server := range modes {
		for _, offer := range everyOffer() {
			offers++
			t.Run(fmt.Sprintf("%d %s", mode, offer), func(t *testing.T) {
				p := dialDeflate(t, server, offer, wantedAnswer(mode, offer))
				p.strict = true
				for n, size := range []int{700, 0, 1, 1200, 700} {
					p.exchange(source.typ, source.message(n%3, size), 0)
				}
				p.exchange(Text, source.message(1, 2000), 300)
				p.close()
			})
		}
	}
	if want := 2 * 2 * 2 * 9 * 10; offers != want {
		t.Errorf("%d offers, want %d", offers, want)
	}
}

// everyOffer has a window of no, each, and for the client's also of unspecified size.
func everyOffer() []string {
	offers := []string{deflateName}
	add := func(params ...string) {
		var more []string
		for _, p := range params {
			for _, o := range offers {
				more = append(more, o+p)
			}
		}
		offers = append(offers, more...)
	}
	sizes := func(name string) (all []string) {
		for bits := minWindowBits; bits <= maxWindowBits; bits++ {
			all = append(all, fmt.Sprintf("; %s=%d", name, bits))
		}
		return all
	}
	add("; server_no_context_takeover")
	add("; client_no_context_takeover")
	add(sizes("server_max_window_bits")...)
	add(append(sizes("client_max_window_bits"), "; client_max_window_bits")...)
	return offers
}

// wantedAnswer takes over all that binds the server, and nothing of the client's
// window, since ours fits every one.
func wantedAnswer(mode CompressionMode, offer string) string {
	answer := deflateName
	for _, name := range []string{"server_no_context_takeover", "client_no_context_takeover"} {
		if mode == CompressionNoContextTakeover || strings.Contains(offer, name) {
			answer += "; " + name
		}
	}
	if _, bits, asked := strings.Cut(offer, "; server_max_window_bits="); asked {
		bits, _, _ = strings.Cut(bits, ";")
		answer += "; server_max_window_bits=" + bits
	}
	return answer
}

// deflatePeer is a client with compression, by the standard library.
type deflatePeer struct {
	*peer
	t          testing.TB
	out        bytes.Buffer
	flate      *flate.Writer
	keepsSent  bool   // context takeover of the client
	window     []byte // what the server may refer to, if it has context takeover
	keepsOurs  bool
	windowSize int
	strict     bool // look at every distance
}

var clientDeflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is known
	return w
}}

func dialDeflate(t testing.TB, server *httptest.Server, offer, wantAnswer string) *deflatePeer {
	t.Helper()
	raw, header := dialAnswer(t, server, "Sec-WebSocket-Extensions: "+offer)
	raw.SetDeadline(time.Now().Add(autobahnPatience))
	answer := header.Get("Sec-WebSocket-Extensions")
	if answer != wantAnswer {
		t.Fatalf("answer %q, want %q", answer, wantAnswer)
	}
	p := &deflatePeer{
		peer: raw, t: t, windowSize: maxWindow,
		keepsSent: !strings.Contains(answer, "client_no_context_takeover"),
		keepsOurs: !strings.Contains(answer, "server_no_context_takeover"),
	}
	if _, bits, asked := strings.Cut(answer, "server_max_window_bits="); asked {
		var n int
		fmt.Sscan(bits, &n)
		p.windowSize = 1 << n
	}
	p.flate = clientDeflaters.Get().(*flate.Writer)
	p.flate.Reset(&p.out)
	t.Cleanup(func() { clientDeflaters.Put(p.flate) })
	return p
}

// exchange sends a message, in compressed fragments of a size unless that is 0, and
// wants it back. The server may send as it is what doesn't get smaller, which can't
// be said of text with markup.
func (p *deflatePeer) exchange(typ MessageType, data string, fragment int) {
	p.t.Helper()
	p.out.Reset()
	if !p.keepsSent {
		p.flate.Reset(&p.out)
	}
	io.WriteString(p.flate, data)
	p.flate.Flush()
	payload := strings.TrimSuffix(p.out.String(), flushTail)
	if fragment == 0 {
		fragment = max(len(payload), 1)
	}
	frames := fragmented(opcode(typ), payload, fragment)
	frames[0] |= bitRSV1
	sent := make(chan error, 1)
	go func() {
		_, err := p.Write(frames)
		sent <- err
	}()
	got, compressed := p.received(typ)
	if compressed {
		got = p.inflate(got)
	} else if typ == Text && len(data) >= 1000 {
		p.t.Fatalf("%d bytes came back without compression", len(data))
	}
	if string(got) != data {
		p.t.Fatalf("%d bytes came back as %d others", len(data), len(got))
	}
	if err := <-sent; err != nil {
		p.t.Fatal(err)
	}
}

// received reads a message of a type.
func (p *deflatePeer) received(typ MessageType) (payload []byte, compressed bool) {
	p.t.Helper()
	want := byte(typ)
	for n := 0; ; n++ {
		first, piece, err := p.Frame()
		if n == 0 {
			compressed = first&bitRSV1 != 0
			first &^= bitRSV1
		}
		if err != nil || first&^bitFin != want {
			p.t.Fatalf("frame %d starts with %x, want %x: %v", n, first, want, err)
		}
		payload = append(payload, piece...)
		if first&bitFin != 0 {
			return payload, compressed
		}
		want = byte(opContinuation)
	}
}

// inflate undoes the server's compression with no more of a window than was agreed on.
func (p *deflatePeer) inflate(payload []byte) []byte {
	p.t.Helper()
	if !p.keepsOurs {
		p.window = nil
	}
	if p.strict {
		furthest, err := furthestDistance(slices.Concat(payload, []byte(flushTail+finalBlock)))
		if err != nil || furthest > p.windowSize {
			p.t.Fatalf("a distance of %d in a window of %d, %v", furthest, p.windowSize, err)
		}
	}
	data := windowedInflate(p.t, &p.window, payload)
	p.window = windowEnd(p.window, p.windowSize)
	return data
}

func (p *deflatePeer) close() {
	p.t.Helper()
	p.Write(closeFrame(StatusNormal, ""))
	for _, want := range []string{"close 1000", "end"} {
		if got := p.event(); got != want {
			p.t.Fatalf("got %.80q, want %q", got, want)
		}
	}
}
