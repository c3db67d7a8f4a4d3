package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// lines are the offsets at which the lines of a text begin.
type lines []int

func newLines(text string) lines {
	begins := lines{0}
	for i := range len(text) {
		if text[i] == '\n' {
			begins = append(begins, i+1)
		}
	}
	return begins
}

// number is that of the line with an offset; the first is 1.
func (l lines) number(offset int) int {
	i, found := slices.BinarySearch(l, offset)
	if found {
		return i + 1
	}
	return i
}

// blank replaces a part of a text by bytes that are neither letters nor spaces, and
// keeps its line ends. So no phrase reaches across, and all offsets stay.
func blank(text []byte, from, to int) {
	for i := from; i < to; i++ {
		if text[i] != '\n' {
			text[i] = '~'
		}
	}
}

// sortByPlace sorts findings by path, line and message.
func sortByPlace(found []finding) {
	place := func(f finding) (string, int) {
		i := strings.LastIndexByte(f.at, ':')
		line, _ := strconv.Atoi(f.at[i+1:])
		return f.at[:i], line
	}
	slices.SortFunc(found, func(x, y finding) int {
		xPath, xLine := place(x)
		yPath, yLine := place(y)
		return cmp.Or(strings.Compare(xPath, yPath), cmp.Compare(xLine, yLine), strings.Compare(x.message, y.message))
	})
}
