package client

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// all reads the data of all events.
func all(in io.Reader, limit int) (data []string, err error) {
	e := newEvents(in, limit)
	for {
		text, err := e.next()
		if err != nil {
			return data, err
		}
		data = append(data, string(text))
	}
}

func TestEventsOfAStream(t *testing.T) {
	for name, test := range map[string]struct {
		stream string
		want   []string
	}{
		"one":                   {"data: a\n\n", []string{"a"}},
		"no space":              {"data:a\n\n", []string{"a"}},
		"two spaces":            {"data:  a\n\n", []string{" a"}},
		"several lines":         {"data: a\ndata\ndata: b\n\n", []string{"a\n\nb"}},
		"CRLF":                  {"id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		"CR":                    {"data: a\rdata: b\r\rdata: c\r\r", []string{"a\nb", "c"}},
		"mixed":                 {"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", []string{"a", "b", "c"}},
		"byte order mark":       {"\ufeffdata: a\n\n", []string{"a"}},
		"another mark is data":  {"data: \ufeffa\n\n", []string{"\ufeffa"}},
		"comments":              {":\n: x\ndata: a\n:data: b\n\n:\n", []string{"a"}},
		"other fields":          {"event: x\nid: 2\nretry: 5\ndatax: y\n data: z\ndata: a\n\n", []string{"a"}},
		"no data":               {"event: x\n\ndata\n\ndata:\n\ndata: a\n\n", []string{"a"}},
		"cut off":               {"data: a\n\ndata: b\n", []string{"a"}},
		"cut off in a line":     {"data: a\n\ndata: b", []string{"a"}},
		"empty":                 {"", nil},
		"blank lines":           {"\n\n\r\n\r\rdata: a\n\n\n", []string{"a"}},
		"a line break's halves": {"data: a\r\n\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
	} {
		for _, in := range []io.Reader{strings.NewReader(test.stream), iotest.OneByteReader(strings.NewReader(test.stream))} {
			if got, err := all(in, 100); !slices.Equal(got, test.want) || err != io.EOF {
				t.Errorf("%s: got %q, %v; want %q", name, got, err, test.want)
			}
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	endless := func(piece string) io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat(piece, 1000))) }
	for name, in := range map[string]io.Reader{
		"a line": endless("x"), "a comment": endless(":"), "lines of data": endless("data: x\n"), "empty lines of data": endless("data\n"),
	} {
		if _, err := all(in, 100); !errors.Is(err, errTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := all(strings.NewReader("data: "+strings.Repeat("x", 100)+"\n\n"), 100); len(got) != 1 || err != io.EOF {
		t.Errorf("the longest: %q, %v", got, err)
	}
	if _, err := all(strings.NewReader("data: "+strings.Repeat("x", 101)+"\n\n"), 100); !errors.Is(err, errTooLong) {
		t.Errorf("one byte more: %v", err)
	}
}

// FuzzEvents: however a stream is cut into pieces, its events are the same, and bounded.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("\ufeffevent: a\r\nid\rdata: x\r\n\ndata\ndata:y\n\n:\n"))
	f.Add([]byte("data: a\r\r\n\r\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 32
		whole, wholeErr := all(bytes.NewReader(stream), limit)
		pieces, piecesErr := all(iotest.OneByteReader(bytes.NewReader(stream)), limit)
		if !slices.Equal(whole, pieces) || (wholeErr == io.EOF) != (piecesErr == io.EOF) {
			t.Errorf("whole: %q, %v; in pieces: %q, %v", whole, wholeErr, pieces, piecesErr)
		}
		for _, data := range whole {
			if len(data) > limit || data == "" {
				t.Errorf("%q", data)
			}
		}
	})
}
