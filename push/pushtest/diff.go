package pushtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// maxDifferences is how many the text of a failure has.
const maxDifferences = 5

// differsAsJSON compares two values, however they are written, and returns where they differ,
// or nothing.
func differsAsJSON(want, got []byte) string {
	w, err := decode(want)
	if err != nil {
		return "what is wanted isn't JSON: " + err.Error()
	}
	g, err := decode(got)
	if err != nil {
		return "the data isn't JSON: " + err.Error()
	}
	var d differences
	d.compare("", w, g)
	if len(d) > maxDifferences {
		d = append(d[:maxDifferences], fmt.Sprintf("and %d more", len(d)-maxDifferences))
	}
	return strings.Join(d, "\n")
}

func decode(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// differences has a line for each.
type differences []string

func (d *differences) add(path, format string, args ...any) {
	if path == "" {
		path = "the value"
	}
	*d = append(*d, path+": "+fmt.Sprintf(format, args...))
}

func (d *differences) compare(path string, want, got any) {
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			d.compareObjects(path, want, got)
			return
		}
	case []any:
		if got, ok := got.([]any); ok {
			d.compareArrays(path, want, got)
			return
		}
	case json.Number:
		if got, ok := got.(json.Number); ok && equalNumbers(want.String(), got.String()) {
			return
		}
	default:
		if want == got { // strings, booleans and null
			return
		}
	}
	d.add(path, "want %s, got %s", written(want), written(got))
}

func (d *differences) compareObjects(path string, want, got map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		at := path + "." + key
		if value, ok := got[key]; ok {
			d.compare(at, want[key], value)
		} else {
			d.add(at, "want %s, which isn't there", written(want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			d.add(path+"."+key, "got %s, which isn't wanted", written(got[key]))
		}
	}
}

func (d *differences) compareArrays(path string, want, got []any) {
	for i := range max(len(want), len(got)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(got):
			d.add(at, "want %s, which isn't there", written(want[i]))
		case i >= len(want):
			d.add(at, "got %s, which isn't wanted", written(got[i]))
		default:
			d.compare(at, want[i], got[i])
		}
	}
}

// equalNumbers reports whether two numbers are the same, as 1.50 and 1.5 are.
func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	if strings.ContainsAny(a+b, "eE") { // an exponent may make any of them huge
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		return errX == nil && errY == nil && x == y
	}
	x, isX := new(big.Rat).SetString(a)
	y, isY := new(big.Rat).SetString(b)
	return isX && isY && x.Cmp(y) == 0
}

func written(v any) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // it was decoded
	text := strings.TrimSuffix(out.String(), "\n")
	if len(text) > maxShown {
		return text[:maxShown] + "…"
	}
	return text
}
