package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample is a run of two repeats in which ours costs 3 and 5, the floor 2 and 5.
func sample() *results {
	r := &results{}
	for repeat, cpu := range [][2]float64{{3, 2}, {5, 5}} {
		for i, server := range []string{ours, "floor"} {
			for _, size := range []int{100, 1000} {
				r.Measurements = append(r.Measurements, measurement{
					Row: "clients", Wire: ws, Size: size, Server: server, Repeat: repeat, Figures: figures{"cpu": cpu[i]},
				})
			}
		}
	}
	return r
}

func TestRatioIsTakenWithinEachRepeat(t *testing.T) {
	got := sample().ratio("clients", ws, 100, ours, "floor", "cpu")
	if want := (spread{1, 1.25, 1.5, 2}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRender(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "README.md")
	os.WriteFile(page, []byte("above\n<!-- clients -->\nold\n<!-- end -->\nbelow\n"), 0o644)
	for range 2 { // the second time changes nothing
		if err := render(sample(), dir); err != nil {
			t.Fatal(err)
		}
	}
	text := read(page)
	for _, want := range []string{"above\n<!-- clients -->\n", "| tidewire | 100 | 4.00 (3.00–5.00) | 1.25 |", "![clients, ", "<!-- end -->\nbelow\n"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q isn't there once:\n%s", want, text)
		}
	}
	if strings.Contains(text, "old") {
		t.Error("the old text is still there")
	}
}

// TestFiguresThatOlderRunsLack have no column, or a dash beside those that newer runs have.
func TestFiguresThatOlderRunsLack(t *testing.T) {
	r := sample()
	if strings.Contains(r.table("clients", ws), "bytes") {
		t.Error("a column for what nobody has measured")
	}
	r.Measurements[0].Figures["bytes"] = 197
	table := r.table("clients", ws)
	for _, want := range []string{" bytes a delivery on the wire |", "| tidewire | 100 | 4.00 (3.00–5.00) | 1.25 | 197 |", "| floor | 100 | 3.50 (2.00–5.00) | 1.00 | – |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestPlotsAreXML(t *testing.T) {
	r := sample()
	for name, picture := range map[string]string{
		"bars":   bars("a < b", "µs", r.points("clients", ws, "cpu")),
		"curves": curves("a < b", "µs", r.points("clients", ws, "cpu")),
	} {
		decoder := xml.NewDecoder(strings.NewReader(picture))
		elements := 0
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, picture)
			}
			if _, ok := token.(xml.StartElement); ok {
				elements++
			}
		}
		if elements < 10 {
			t.Errorf("%s has %d elements", name, elements)
		}
	}
}
