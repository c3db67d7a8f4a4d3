package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// results are a run as it is kept in a file.
type results struct {
	Machine      machine       `json:"machine"`
	Measurements []measurement `json:"measurements"`
}

func readResults(file string) (r results, err error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file is named by who runs this
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

func (r *results) write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // as below
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // for everybody to read
}

// values returns one figure of a server, by repeat.
func (r *results) values(row string, on wire, size int, server, figure string) map[int]float64 {
	values := map[int]float64{}
	for _, m := range r.Measurements {
		if v, ok := m.Figures[figure]; ok && m.Row == row && m.Wire == on && m.Size == size && m.Server == server {
			values[m.Repeat] = v
		}
	}
	return values
}

// figure is one figure of a server over all repeats.
func (r *results) figure(row string, on wire, size int, server, figure string) spread {
	var values []float64
	for _, v := range r.values(row, on, size, server, figure) {
		values = append(values, v)
	}
	return spreadOf(values)
}

// ratio compares two servers repeat by repeat, so that a slow minute touches both sides.
func (r *results) ratio(row string, on wire, size int, server, other, figure string) spread {
	return quotient(r.values(row, on, size, server, figure), r.values(row, on, size, other, figure))
}

// growth compares two sizes of one server.
func (r *results) growth(row string, on wire, size, from int, server, figure string) spread {
	return quotient(r.values(row, on, size, server, figure), r.values(row, on, from, server, figure))
}

func quotient(above, below map[int]float64) spread {
	var ratios []float64
	for repeat, v := range above {
		if o := below[repeat]; o > 0 {
			ratios = append(ratios, v/o)
		}
	}
	return spreadOf(ratios)
}
