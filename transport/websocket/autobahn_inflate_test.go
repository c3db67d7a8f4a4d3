package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"testing"
)

// furthestDistance reads deflated data (RFC 1951) just to find the longest way back
// that it refers to. The inflaters of the libraries take any distance up to 32 KiB,
// so they don't notice a compressor that disregards a smaller window.
func furthestDistance(data []byte) (int, error) {
	d := &deflateReader{data: data}
	for !d.short {
		last := d.bits(1)
		switch d.bits(2) {
		case 0:
			d.at = (d.at + 7) / 8 * 8
			n := d.bits(16)
			d.bits(16) // the same again, inverted
			d.at += 8 * n
		case 1:
			d.block(fixedCodes())
		case 2:
			d.block(d.codes())
		default:
			return 0, errors.New("reserved type of block")
		}
		if last == 1 && !d.short {
			return d.furthest, nil
		}
	}
	return 0, errors.New("ends too early")
}

type deflateReader struct {
	data     []byte
	at       int // in bits
	short    bool
	furthest int
}

// bits reads a number, lowest bit first.
func (d *deflateReader) bits(n int) (v int) {
	for i := range n {
		if d.at/8 >= len(d.data) {
			d.short = true
			return 0
		}
		v |= int(d.data[d.at/8]>>(d.at%8)&1) << i
		d.at++
	}
	return v
}

// huffman finds a symbol by its code's length and value.
type huffman map[[2]int]int

func newHuffman(lengths []int) huffman {
	codes, next := huffman{}, 0
	for length := 1; length <= 15; length++ {
		for symbol, l := range lengths {
			if l == length {
				codes[[2]int{length, next}] = symbol
				next++
			}
		}
		next <<= 1
	}
	return codes
}

func (d *deflateReader) symbol(h huffman) int {
	code := 0
	for length := 1; length <= 15 && !d.short; length++ {
		code = code<<1 | d.bits(1)
		if symbol, ok := h[[2]int{length, code}]; ok {
			return symbol
		}
	}
	d.short = true
	return 256
}

func fixedCodes() (literals, distances huffman) {
	lengths := make([]int, 288)
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	same := make([]int, 30)
	for i := range same {
		same[i] = 5
	}
	return newHuffman(lengths), newHuffman(same)
}

// codes reads the codes of a block that has its own.
func (d *deflateReader) codes() (literals, distances huffman) {
	literalCount, distanceCount, lengthCount := d.bits(5)+257, d.bits(5)+1, d.bits(4)+4
	lengthLengths := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:min(lengthCount, 19)] {
		lengthLengths[i] = d.bits(3)
	}
	byLength := newHuffman(lengthLengths)
	var lengths []int
	for len(lengths) < literalCount+distanceCount && !d.short {
		length, times := d.symbol(byLength), 1
		switch length {
		case 16:
			length, times = 0, 3+d.bits(2)
			if len(lengths) > 0 {
				length = lengths[len(lengths)-1]
			}
		case 17:
			length, times = 0, 3+d.bits(3)
		case 18:
			length, times = 0, 11+d.bits(7)
		}
		for range times {
			lengths = append(lengths, length)
		}
	}
	if d.short {
		return nil, nil
	}
	return newHuffman(lengths[:literalCount]), newHuffman(lengths[literalCount:])
}

func (d *deflateReader) block(literals, distances huffman) {
	for !d.short {
		symbol := d.symbol(literals)
		switch {
		case symbol < 256:
			continue
		case symbol == 256:
			return
		case symbol >= 265 && symbol < 285:
			d.bits((symbol - 261) / 4) // the rest of a length
		}
		distance := d.symbol(distances)
		if distance < 4 {
			d.furthest = max(d.furthest, distance+1)
			continue
		}
		more := distance/2 - 1
		d.furthest = max(d.furthest, (2+distance%2)<<more+d.bits(more)+1)
	}
}

// smallest compresses as well as can be, so that what is said twice is always found.
func smallest(t *testing.T, data string) string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, data)
	w.Flush()
	return strings.TrimSuffix(out.String(), flushTail)
}

func TestFurthestDistance(t *testing.T) {
	far := string(noise(3000))
	for _, tt := range []struct {
		name, payload string
		least, most   int
	}{
		{"fixed codes", "\xf2\x48\xcd\xc9\xc9\x07\x00", 0, 0},
		{"a run", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 0, 0},
		{"close by", smallest(t, "abcdefghabcdefgh"), 8, 8},
		{"far away", smallest(t, far+far), 3000, 3000},
		{"codes of its own", smallest(t, autobahnSources()[3].data[:5000]), 1000, 5000},
	} {
		got, err := furthestDistance([]byte(tt.payload + flushTail + finalBlock))
		if err != nil || got < tt.least || got > tt.most {
			t.Errorf("%s: %d, want %d to %d: %v", tt.name, got, tt.least, tt.most, err)
		}
	}
}
