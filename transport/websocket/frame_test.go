package websocket

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseFrameHeader(t *testing.T) {
	key := []byte{1, 2, 3, 4}
	tests := []struct {
		name    string
		in      []byte
		deflate bool
		want    frameHeader
		size    int
		refused string
	}{
		{name: "nothing yet", in: nil},
		{name: "one byte", in: []byte{0x81}},
		{name: "length to come", in: []byte{0x82, 0xFE, 1}},
		{name: "key to come", in: []byte{0x81, 0x85, 1, 2, 3}},
		{name: "empty text", in: []byte{0x81, 0x80}, want: frameHeader{fin: true, op: opText}, size: 6},
		{name: "fragment", in: []byte{0x02, 0x85}, want: frameHeader{op: opBinary, length: 5}, size: 6},
		{name: "last fragment", in: []byte{0x80, 0xFD}, want: frameHeader{fin: true, length: 125}, size: 6},
		{name: "16 bits", in: []byte{0x81, 0xFE, 0, 126}, want: frameHeader{fin: true, op: opText, length: 126}, size: 8},
		{name: "64 bits", in: []byte{0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0}, want: frameHeader{fin: true, op: opText, length: 65536}, size: 14},
		{name: "63 bits", in: []byte{0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, want: frameHeader{fin: true, op: opText, length: math.MaxInt64}, size: 14},
		{name: "ping of 125", in: []byte{0x89, 0xFD}, want: frameHeader{fin: true, op: opPing, length: 125}, size: 6},
		{name: "compressed", in: []byte{0xC1, 0x81}, deflate: true, want: frameHeader{fin: true, rsv1: true, op: opText, length: 1}, size: 6},

		{name: "RSV1 without extension", in: []byte{0xC1}, refused: "reserved bit set"},
		{name: "RSV1 on continuation", in: []byte{0xC0}, deflate: true, refused: "reserved bit set"},
		{name: "RSV1 on ping", in: []byte{0xC9}, deflate: true, refused: "reserved bit set"},
		{name: "RSV2", in: []byte{0xA1}, deflate: true, refused: "reserved bit set"},
		{name: "RSV3", in: []byte{0x91}, deflate: true, refused: "reserved bit set"},
		{name: "opcode 3", in: []byte{0x83}, refused: "reserved opcode"},
		{name: "opcode 7", in: []byte{0x87}, refused: "reserved opcode"},
		{name: "opcode B", in: []byte{0x8B}, refused: "reserved opcode"},
		{name: "opcode F", in: []byte{0x8F}, refused: "reserved opcode"},
		{name: "fragmented ping", in: []byte{0x09}, refused: "fragmented control frame"},
		{name: "fragmented close", in: []byte{0x08}, refused: "fragmented control frame"},
		{name: "not masked", in: []byte{0x81, 0x05}, refused: "frame not masked"},
		{name: "ping of 126", in: []byte{0x89, 0xFE}, refused: "control frame too long"},
		{name: "close of 64 bits", in: []byte{0x88, 0xFF}, refused: "control frame too long"},
		{name: "125 in 16 bits", in: []byte{0x81, 0xFE, 0, 125}, refused: "length not in its shortest form"},
		{name: "65535 in 64 bits", in: []byte{0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, refused: "length not in its shortest form"},
		{name: "64th bit", in: []byte{0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0}, refused: "length over 63 bits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			if tt.size > 0 {
				in = append(append([]byte(nil), in...), key...)
				tt.want.key = 0x04030201
			}
			got, size, err := parseFrameHeader(in, tt.deflate, true)
			if tt.refused != "" {
				var broken *ProtocolError
				if !errors.As(err, &broken) || broken.Code != StatusProtocolError || broken.Reason != tt.refused {
					t.Fatalf("error %v, want %q", err, tt.refused)
				}
				return
			}
			if err != nil || size != tt.size {
				t.Fatalf("size %d and error %v, want size %d", size, err, tt.size)
			}
			if size > 0 && got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAppendFrame(t *testing.T) {
	for _, tt := range []struct {
		length int
		header string
	}{
		{0, "\x82\x00"}, {125, "\x82\x7d"}, {126, "\x82\x7e\x00\x7e"}, {65535, "\x82\x7e\xff\xff"},
		{65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
	} {
		payload := strings.Repeat("x", tt.length)
		got := AppendFrame([]byte("before"), Binary, []byte(payload))
		if string(got) != "before"+tt.header+payload {
			t.Errorf("frame of %d bytes starts with %x", tt.length, got[:min(len(got), 20)])
		}
	}
}

func TestUnmaskAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for length := range 200 {
		plain := make([]byte, length)
		for i := range plain {
			plain[i] = byte(rng.Uint32())
		}
		key := rng.Uint32()
		masked := bytes.Clone(plain)
		for i := range masked {
			masked[i] ^= byte(key >> (i % 4 * 8))
		}
		cut := rng.IntN(length + 1)
		next := unmask(masked[:cut], key)
		unmask(masked[cut:], next)
		if !bytes.Equal(masked, plain) {
			t.Fatalf("%d bytes cut at %d come out wrong", length, cut)
		}
	}
}

// FuzzFrameHeader checks that a header is judged alike however it arrives, and
// that an accepted one says what its bytes say.
func FuzzFrameHeader(f *testing.F) {
	f.Add(fin(opText, "hello"), false)
	f.Add(fin(opBinary, strings.Repeat("x", 300)), true)
	f.Add(closeFrame(1000, "bye"), false)
	f.Add([]byte{0xC1, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}, true)
	f.Fuzz(func(t *testing.T, b []byte, deflate bool) {
		b = b[:min(len(b), maxClientHeader)]
		whole, size, err := parseFrameHeader(b, deflate, true)
		for n := range b {
			early, earlySize, earlyErr := parseFrameHeader(b[:n], deflate, true)
			if earlyErr != nil && err == nil {
				t.Fatalf("refused after %d bytes, accepted after %d", n, len(b))
			}
			if earlyErr == nil && earlySize > 0 && (early != whole || earlySize != size) {
				t.Fatalf("%+v after %d bytes, %+v after %d", early, n, whole, len(b))
			}
		}
		if err != nil || size == 0 {
			return
		}
		if whole.length < 0 || size > maxClientHeader || whole.op.isControl() && (whole.length > maxControlPayload || !whole.fin) {
			t.Fatalf("accepted %+v", whole)
		}
		if whole.length <= math.MaxInt32 {
			again := appendFrameHeader(nil, b[0], int(whole.length))
			again[1] |= bitMask
			if !bytes.Equal(again, b[:size-4]) {
				t.Fatalf("header %x encodes to %x", b[:size], again)
			}
		}
	})
}
