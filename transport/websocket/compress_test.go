package websocket

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deflated compresses as a client does, by the standard library.
func deflated(t testing.TB, data string) string {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, data)
	w.Flush()
	return strings.TrimSuffix(out.String(), flushTail)
}

func TestReadCompressed(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692 section 7.2.3.1
	limit := 1 << 20
	bomb := deflated(t, strings.Repeat("\x00", 16<<20))
	tests := []struct {
		name string
		send []byte
		want string
		code StatusCode // if refused
	}{
		{"one block", rawFrame(0xC1, hello), "Hello", 0},
		{"two fragments", join(rawFrame(0x41, hello[:3]), fin(opContinuation, hello[3:])), "Hello", 0},
		{"byte by byte and empty fragments", join(rawFrame(0x41, ""), part(opContinuation, hello[:1]), part(opContinuation, ""), part(opContinuation, hello[1:2]), fin(opContinuation, hello[2:])), "Hello", 0},
		{"ping between", join(rawFrame(0x41, hello[:3]), fin(opPing, ""), fin(opContinuation, hello[3:])), "Hello", 0},
		{"stored block", rawFrame(0xC1, "\x00\x05\x00\xfa\xffHello\x00"), "Hello", 0},
		{"last block", rawFrame(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello", 0},
		{"last block without the empty one", rawFrame(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello", 0},
		{"two blocks", rawFrame(0xC1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello", 0},
		{"empty", rawFrame(0xC1, "\x00"), "", 0},
		{"empty without a block", rawFrame(0xC1, ""), "", 0},
		{"not compressed", fin(opText, "Hello"), "Hello", 0},
		{"largest", rawFrame(0xC2, deflated(t, strings.Repeat("x", limit))), strings.Repeat("x", limit), 0},
		{"B30 one too many", rawFrame(0xC2, deflated(t, strings.Repeat("x", limit+1))), "", StatusMessageTooBig},
		{"B30 bomb", rawFrame(0xC2, bomb), "", StatusMessageTooBig},
		{"B30 endless empty blocks", join(rawFrame(0x42, ""), bytes.Repeat(part(opContinuation, strings.Repeat("\x00\x00\x00\xff\xff", 10_000)), 50)), "", StatusMessageTooBig},
		{"B31 corrupt", rawFrame(0xC1, "\xff\xff\xff"), "", StatusInvalidData},
		{"B31 cut", rawFrame(0xC1, hello[:4]), "", StatusInvalidData},
		{"B31 corrupt stored length", rawFrame(0xC1, "\x00\x05\x00\xfa\xfeHello\x00"), "", StatusInvalidData},
		{"B31 data after the last block", rawFrame(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00Hello"), "", StatusInvalidData},
		{"B31 distance before the start", rawFrame(0xC1, "\xf2\x00\x11\x00\x00"), "", StatusInvalidData},
		{"B31 RSV1 on the second fragment", join(rawFrame(0x41, hello[:3]), rawFrame(0xC0, hello[3:])), "", StatusProtocolError},
		{"B31 RSV1 on a ping", rawFrame(0xC9, "x"), "", StatusProtocolError},
		{"B31 last block and a byte of no empty one", rawFrame(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3"), "", StatusInvalidData},
		{"B31 new message after the last block", join(rawFrame(0x41, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), fin(opText, "x")), "", StatusProtocolError},
		{"B32 not UTF-8", rawFrame(0xC1, deflated(t, "abc\xff")), "", StatusInvalidData},
		{"B32 character cut", rawFrame(0xC1, deflated(t, "abc\xe2\x82")), "", StatusInvalidData},
	}
	for _, tt := range tests {
		for _, takeover := range []bool{false, true} {
			name := tt.name
			if takeover {
				name += " with takeover"
			}
			t.Run(name, func(t *testing.T) {
				c, p := pipe(t, &AcceptOptions{MaxMessage: int64(limit)}, deflateParams{on: true, receiveTakeover: takeover, sendBits: 15})
				go p.Write(tt.send)
				go io.Copy(io.Discard, p.Buffer)
				_, data, err := c.Read(t.Context())
				if broken, ok := errors.AsType[*ProtocolError](err); ok {
					if broken.Code != tt.code {
						t.Fatalf("refused with %d, want %d", broken.Code, tt.code)
					}
					return
				}
				if err != nil || tt.code != 0 || string(data) != tt.want {
					t.Fatalf("%d bytes and error %v, want %d bytes or refusal with %d", len(data), err, len(tt.want), tt.code)
				}
			})
		}
	}
}

// The last block doesn't make a message whole whose last bytes are still to come.
func TestReadCutAfterTheLastBlock(t *testing.T) {
	frame := rawFrame(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")
	for cut := 1; cut <= 2; cut++ {
		c, p := pipe(t, nil, deflateParams{on: true, sendBits: 15})
		go func() {
			p.Write(frame[:len(frame)-cut])
			p.Close()
		}()
		_, data, err := c.Read(t.Context())
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("without the last %d bytes: %q, %v", cut, data, err)
		}
	}
}

// Who stops waiting for these bytes mustn't get the message, since they would be
// taken for the next frame.
func TestDeadlineAfterTheLastBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{on: true, sendBits: 15})
		frame := rawFrame(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")
		go p.Write(frame[:len(frame)-1])
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, data, err := c.Read(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", data, err)
		}
	})
}

func TestReadWithClientTakeover(t *testing.T) {
	c, p := pipe(t, &AcceptOptions{MaxMessage: -1}, deflateParams{on: true, receiveTakeover: true, sendBits: 15})
	messages := takeoverMessages()
	go func() {
		// One compressor for all messages, as a client with takeover has it.
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, flate.BestCompression)
		for i, m := range messages {
			out.Reset()
			w.Write(m)
			w.Flush()
			p.Write(rawFrame(0xC2, strings.TrimSuffix(out.String(), flushTail)))
			if i%3 == 0 {
				p.Write(fin(opBinary, "not compressed, not in the window"))
			}
		}
	}()
	for i, m := range messages {
		var got []byte
		var err error
		switch i % 4 {
		case 0: // skipped without being read
			_, r, rerr := c.Reader(t.Context())
			if rerr != nil {
				t.Fatal(rerr)
			}
			r.Read(make([]byte, 1))
			got = m
		case 1:
			_, r, rerr := c.Reader(t.Context())
			if rerr != nil {
				t.Fatal(rerr)
			}
			got, err = io.ReadAll(r)
		default:
			_, got, err = c.Read(t.Context())
		}
		if err != nil || !bytes.Equal(got, m) {
			t.Fatalf("message %d of %d bytes: %d bytes, %v", i, len(m), len(got), err)
		}
		if i%3 == 0 {
			if _, got, err = c.Read(t.Context()); err != nil || !strings.HasPrefix(string(got), "not compressed") {
				t.Fatal(string(got), err)
			}
		}
	}
	if n := cap(c.in.window); n > 64<<10 {
		t.Errorf("window of %d bytes", n)
	}
}

// takeoverMessages repeat what was said, at many sizes and distances.
func takeoverMessages() [][]byte {
	rng := rand.New(rand.NewPCG(3, 4))
	text := noise(100_000)
	var all [][]byte
	for range 200 {
		from := rng.IntN(50_000)
		all = append(all, text[from:from+rng.IntN(1<<rng.IntN(16))])
	}
	return append(all, text, text[:40_000], nil, text[:1])
}

// noise is what can't be compressed, unless it has been said before.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// windowedInflate is a client's decompressor with takeover, for messages of the server.
func windowedInflate(t testing.TB, window *[]byte, payload []byte) []byte {
	t.Helper()
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(payload), strings.NewReader(flushTail+finalBlock)), *window)
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	*window = append(*window, got...)
	*window = (*window)[max(0, len(*window)-maxWindow):]
	return got
}

func TestWriteCompressed(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		for _, bits := range []int{8, 9, 12, 15} {
			c, p := pipe(t, &AcceptOptions{CompressionThreshold: 100}, deflateParams{on: true, sendTakeover: takeover, sendBits: bits})
			messages := takeoverMessages()
			go func() {
				for i, m := range messages {
					if i%2 == 0 {
						c.Write(t.Context(), Binary, m)
						continue
					}
					w, err := c.Writer(t.Context(), Binary)
					if err != nil {
						t.Error(err)
						return
					}
					for piece := range slices.Chunk(m, 1000) {
						w.Write(piece)
					}
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				}
			}()
			var window []byte
			for i, m := range messages {
				payload, compressed := p.message(t)
				if compressed {
					if !takeover {
						window = nil
					}
					payload = windowedInflate(t, &window, payload)
				}
				if !bytes.Equal(payload, m) {
					t.Fatalf("%d bits, takeover %t: message %d of %d bytes came as %d", bits, takeover, i, len(m), len(payload))
				}
			}
			if n := cap(c.sentWindow); n > 64<<10 || !takeover && n > 0 {
				t.Errorf("window of %d bytes", n)
			}
		}
	}
}

// message reads a whole message of the server.
func (p *peer) message(t testing.TB) (payload []byte, compressed bool) {
	t.Helper()
	for first := true; ; first = false {
		head, err := p.Buffer.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		if first {
			compressed = head&bitRSV1 != 0
		} else if head&0x7F != 0 {
			t.Fatalf("continuation starts with %x", head)
		}
		b, _ := p.Buffer.ReadByte()
		n := int(b)
		for extra := map[byte]int{126: 2, 127: 8}[b]; extra > 0; extra-- {
			if b >= 126 {
				n, b = 0, 0
			}
			next, _ := p.Buffer.ReadByte()
			n = n<<8 | int(next)
		}
		chunk := make([]byte, n)
		if _, err := io.ReadFull(p.Buffer, chunk); err != nil {
			t.Fatal(err)
		}
		payload = append(payload, chunk...)
		if head&bitFin != 0 {
			return payload, compressed
		}
	}
}

// A compressor mustn't refer to what is outside the window that was agreed on:
// noise that repeats at a larger distance must not get smaller.
func TestServerWindow(t *testing.T) {
	for bits := minWindowBits; bits < maxWindowBits; bits++ {
		far := noise(1<<bits + 1)
		data := bytes.Repeat(far, 4)
		d := takeDeflater(bits, bytes.Repeat(far, 2), len(data))
		d.write(data)
		d.flush()
		if len(d.out) < len(data) {
			t.Errorf("window of %d bits: %d bytes became %d", bits, len(data), len(d.out))
		}
		d.give()

		near := far[:1<<bits*3/4]
		d = takeDeflater(bits, near, 4*len(near))
		d.write(bytes.Repeat(near, 4))
		d.flush()
		if bits > 9 && len(d.out) > 2*len(near) {
			t.Errorf("window of %d bits isn't used: %d bytes became %d", bits, 4*len(near), len(d.out))
		}
		d.give()
	}
}

// What a message refers to grows with it: a small one doesn't pay for a full window,
// and a large one finds the whole of the last.
func TestDictionary(t *testing.T) {
	window := noise(maxWindow)
	for _, test := range []struct{ bits, size, want int }{
		{15, 0, minDictionary},
		{15, 300, minDictionary},
		{15, 10_000, 20_000},
		{15, 100_000, maxWindow},
		{9, 300, 512},
	} {
		d := dictionary(window, test.bits, test.size)
		if len(d) != test.want || !bytes.HasSuffix(window, d) {
			t.Errorf("%d bytes with %d bits refer to %d, want the last %d", test.size, test.bits, len(d), test.want)
		}
	}
	for _, size := range []int{500, 12_000} {
		data := window[maxWindow-size:]
		d := takeDeflater(maxWindowBits, window, size)
		d.write(data)
		d.flush()
		if len(d.out) > size/8 {
			t.Errorf("what was just said takes %d of %d bytes", len(d.out), size)
		}
		d.give()
	}
}

func TestCompressionThreshold(t *testing.T) {
	c, p := pipe(t, nil, deflateParams{on: true, sendBits: 15})
	go func() {
		c.Write(context.Background(), Text, bytes.Repeat([]byte("a"), defaultThreshold-1))
		c.Write(context.Background(), Text, bytes.Repeat([]byte("a"), defaultThreshold))
		c.Write(context.Background(), Binary, noise(1000)) // doesn't get smaller
		for _, n := range []int{defaultThreshold - 1, defaultThreshold} {
			w, _ := c.Writer(context.Background(), Text)
			w.Write(bytes.Repeat([]byte("a"), n))
			w.Close()
		}
	}()
	for i, want := range []bool{false, true, false, false, true} {
		if _, compressed := p.message(t); compressed != want {
			t.Errorf("message %d compressed: %t", i, compressed)
		}
	}
}

// FuzzInflate feeds any bytes as a compressed message.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), true, uint16(3))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), false, uint16(1))
	f.Add([]byte("\x00\x05\x00\xfa\xffHello\x00"), false, uint16(100))
	f.Add([]byte{}, true, uint16(0))
	f.Fuzz(func(t *testing.T, payload []byte, takeover bool, cut uint16) {
		limit := 1 << 16
		c, p := pipe(t, &AcceptOptions{MaxMessage: int64(limit)}, deflateParams{on: true, receiveTakeover: takeover, sendBits: 15})
		at := min(int(cut), len(payload))
		go func() {
			p.Write(join(rawFrame(0x42, string(payload[:at])), fin(opContinuation, string(payload[at:]))))
			p.Close()
		}()
		_, data, err := c.Read(context.Background())
		if len(data) > limit {
			t.Fatalf("%d bytes", len(data))
		}
		if err != nil {
			return
		}
		r := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(flushTail+finalBlock)))
		if want, err := io.ReadAll(r); len(payload) > 0 && (err != nil || !bytes.Equal(data, want)) {
			t.Fatalf("got %q, the standard library %q and %v", data, want, err)
		}
	})
}

// FuzzRoundtrip compresses messages and decompresses them by the standard library.
func FuzzRoundtrip(f *testing.F) {
	f.Add([]byte("hello hello hello"), []byte("hello"), byte(15))
	f.Add(bytes.Repeat([]byte("abcdefgh"), 200), []byte{}, byte(8))
	f.Fuzz(func(t *testing.T, first, second []byte, bits byte) {
		bits = minWindowBits + bits%8
		var ours, theirs []byte
		for _, m := range [][]byte{first, second, first, second} {
			d := takeDeflater(int(bits), ours, len(m))
			d.write(m)
			d.flush()
			if got := windowedInflate(t, &theirs, d.out[maxServerHeader:]); !bytes.Equal(got, m) {
				t.Fatalf("%q became %q", m, got)
			}
			d.give()
			ours = slideWindow(ours, m, 1<<bits)
		}
	})
}
