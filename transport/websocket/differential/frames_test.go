package differential

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// FuzzBytes sends any bytes after the handshake.
func FuzzBytes(f *testing.F) {
	for _, seed := range byteSeeds() {
		for m := plain; m <= takeover; m++ {
			f.Add(byte(m), uint16(1000), seed)
			f.Add(byte(m), uint16(1), seed)
		}
	}
	f.Fuzz(func(t *testing.T, m byte, chunk uint16, input []byte) {
		compare(t, mode(m%3), input, int(chunk))
	})
}

// FuzzFrames sends frames that fit together most of the time, which chance rarely
// finds: it reads a list of them, see build.
func FuzzFrames(f *testing.F) {
	for _, seed := range frameSeeds() {
		for m := plain; m <= takeover; m++ {
			f.Add(byte(m), uint16(1000), seed)
		}
	}
	f.Fuzz(func(t *testing.T, m byte, chunk uint16, list []byte) {
		compare(t, mode(m%3), build(list), int(chunk))
	})
}

// compare runs all servers on the same input.
func compare(t *testing.T, m mode, input []byte, chunk int) {
	own := ours.run(handshake(m), m, input, chunk)
	if !own.accepted() || own.unfinished != nil {
		t.Fatalf("%v: %v", own, own.unfinished)
	}
	for _, other := range others {
		if other.name == "gorilla" && m == takeover {
			continue
		}
		theirs := other.run(handshake(m), m, input, chunk)
		if errors.Is(theirs.err, errPanicked) {
			t.Logf("%s %v", other.name, theirs.err)
			continue // which says nothing about ours
		}
		if sameFrames(own, theirs) || explain(frameDifferences, other.name, own, theirs) != nil {
			continue
		}
		t.Errorf("mode %d, %d bytes a read, input %x\n%s: %v\n%s: %v", m, chunk, input, ours.name, own, other.name, theirs)
	}
}

func sameFrames(a, b outcome) bool {
	return slices.Equal(a.messages, b.messages) && slices.Equal(a.pongs, b.pongs) && a.closeCode == b.closeCode
}

// The second byte of a frame in a list: the length of its payload, which follows, and
// what is odd about the frame.
const (
	lengthBits = 0x1F
	deflate    = 0x20 // the payload is compressed
	longForm   = 0x40 // the length is written longer than it has to be
	unmasked   = 0x80
)

// build makes a client's frames of a list: for each its first byte, the byte above and
// its payload.
func build(list []byte) []byte {
	var frames []byte
	for len(list) >= 2 {
		first, kind := list[0], list[1]
		n := min(int(kind&lengthBits), len(list)-2)
		payload := list[2 : 2+n]
		list = list[2+n:]
		if kind&deflate != 0 {
			payload = deflated(payload)
		}
		frames = append(frames, first)
		mask := byte(0x80)
		if kind&unmasked != 0 {
			mask = 0
		}
		switch {
		case kind&longForm != 0:
			frames = binary.BigEndian.AppendUint16(append(frames, mask|126), uint16(len(payload)))
		default:
			frames = append(frames, mask|byte(len(payload))) // never more than 125
		}
		key := [4]byte{0x37, 0xFA, 0x21, 0x3D}
		if mask == 0 {
			key = [4]byte{}
		} else {
			frames = append(frames, key[:]...)
		}
		for i, b := range payload {
			frames = append(frames, b^key[i%4])
		}
	}
	return frames
}

func deflated(data []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed) // the level is known
	w.Write(data)
	w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte("\x00\x00\xff\xff"))
}

// frame is one element of a list.
func frame(first, odd byte, payload string) string {
	return string([]byte{first, odd | byte(len(payload))}) + payload
}

// frameSeeds are lists, at least one for each rule of RFC 6455 and 7692 that a client
// can break.
func frameSeeds() [][]byte {
	const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"
	const last = "\xf3\x48\xcd\xc9\xc9\x07\x00\x00" // the same, in a last block
	code := func(n uint16, reason string) string {
		return frame(0x88, 0, string(binary.BigEndian.AppendUint16(nil, n))+reason)
	}
	lists := [][]string{
		{},
		{frame(0x81, 0, "hello"), frame(0x82, 0, "\x00\xff"), frame(0x89, 0, "ping"), frame(0x8A, 0, "pong"), code(1000, "bye")},
		{frame(0x01, 0, "hel"), frame(0x89, 0, "p"), frame(0x80, 0, "lo"), frame(0x88, 0, "")},
		{frame(0x01, 0, "cut")},
		{frame(0x01, 0, "cut"), code(1001, "")}, {frame(0x01, 0, "cut"), frame(0xB0, 0, "")},
		{code(1000, ""), frame(0x81, 0, "late")},
		{frame(0x01, 0, "a"), frame(0x81, 0, "b")},
		{frame(0x80, 0, "a")}, {frame(0x00, 0, "a")},
		{frame(0x09, 0, "a")}, {frame(0x0A, 0, "a")}, {frame(0x08, 0, "")},
		{frame(0x83, 0, "a")}, {frame(0x8B, 0, "a")},
		{frame(0xC1, 0, "a")}, {frame(0xA1, 0, "a")}, {frame(0x91, 0, "a")}, {frame(0xC9, 0, "a")}, {frame(0xC8, 0, "")},
		{frame(0x81, unmasked, "a")}, {frame(0x89, unmasked, "a")},
		{frame(0x81, longForm, "a")}, {frame(0x89, longForm, "a")},
		{frame(0x81, 0, "\xce\xba\xed\xa0\x80"), frame(0x81, 0, "more")},
		{frame(0x01, 0, "\xe2\x82"), frame(0x80, 0, "\xac")}, {frame(0x81, 0, "\xe2\x82")},
		{frame(0x88, 0, "\x03")}, {code(1000, "\xff")},
		{frame(0xC1, 0, hello), frame(0xC1, 0, hello), code(1000, "")},
		{frame(0x41, 0, hello[:3]), frame(0x80, 0, hello[3:])},
		{frame(0x41, 0, hello[:3]), frame(0xC0, 0, hello[3:])},
		{frame(0xC1, deflate, "hello hello hello"), frame(0x81, 0, "plain"), frame(0xC2, deflate, "hello again")},
		{frame(0xC1, 0, last)}, {frame(0xC1, 0, "\xf3\x48\xcd\xc9\xc9\x07\x00Hello")},
		{frame(0xC1, 0, "\x00")}, {frame(0xC1, 0, "")}, {frame(0xC1, 0, "\xff\xff\xff")}, {frame(0xC1, 0, hello[:4])},
		{frame(0x41, 0, last), frame(0x89, 0, "p"), frame(0x80, 0, ""), frame(0x81, 0, "x")},
		{frame(0x41, 0, last), frame(0x89, 0, "p")},
		{frame(0x41, 0, last)}, {frame(0x41, 0, last), frame(0x81, 0, "x")},
		{frame(0xC1, 0, last), frame(0xC1, 0, hello)}, {frame(0xC1, 0, hello[:6]+"\x0c"), frame(0xC1, 0, "")},
		{frame(0xC1, 0, "\xf2\x00\x11\x00\x00")},
		{frame(0xC1, deflate, "abc\xff")},
	}
	for _, n := range []uint16{0, 999, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65535} {
		lists = append(lists, []string{code(n, "")})
	}
	seeds := make([][]byte, len(lists))
	for i, list := range lists {
		seeds[i] = []byte(strings.Join(list, ""))
	}
	return seeds
}

// byteSeeds are those as bytes, and frames whose length lies.
func byteSeeds() [][]byte {
	seeds := [][]byte{
		[]byte("\x82\xfe\x00\x7ekey " + strings.Repeat("x", 126)), // the first lengths of two longer forms
		[]byte("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00key " + strings.Repeat("x", 1<<16)),
		[]byte("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x01key "), // one more than a server takes
		[]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffkey "),
		[]byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00key "),
		[]byte("\x41\xff\x3a\x69\xe5\x8e\xa4\xc7\xcf\x56\xde\x06\x2a\xd8\x0e"), // too long, and corrupt
		[]byte("\x02\x81key x\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffkey "),
	}
	for _, list := range frameSeeds() {
		seeds = append(seeds, build(list))
	}
	return seeds
}
