package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// render puts results between the markers of README.md in a folder: <!-- NAME --> and <!-- end -->, where the name is
// "machine", "targets", or that of a row. What stands outside is written by hand. Pictures go to the folder plots.
func render(r *results, dir string) error {
	page := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(page) //nolint:gosec // named by main
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil { //nolint:gosec // as below
		return err
	}
	text = between(text, "machine", r.Machine.String())
	text = between(text, "targets", r.targetTable())
	for i := range rows {
		section, err := r.section(&rows[i], dir)
		if err != nil {
			return err
		}
		text = between(text, rows[i].name, section)
	}
	return os.WriteFile(page, text, 0o644) //nolint:gosec // for everybody to read
}

var wireNames = map[wire]string{ws: "WebSocket", sse: "Event stream"}

// section is a row's tables and pictures.
func (r *results) section(row *row, dir string) (string, error) {
	var b strings.Builder
	for _, on := range []wire{ws, sse} {
		table := r.table(row.name, on)
		if table == "" {
			continue
		}
		fmt.Fprintf(&b, "\n**%s**\n\n%s", wireNames[on], table)
		for _, p := range row.plots {
			title := fmt.Sprintf("%s, %s: %s", row.name, wireNames[on], unitOf(p.figure))
			picture := p.draw(title, unitOf(p.figure), r.points(row.name, on, p.figure))
			if picture == "" {
				continue
			}
			file := filepath.Join("plots", fmt.Sprintf("%s-%s-%s.svg", row.name, on, p.figure))
			if err := os.WriteFile(filepath.Join(dir, file), []byte(picture), 0o644); err != nil { //nolint:gosec // as above
				return "", err
			}
			fmt.Fprintf(&b, "\n![%s](%s)\n", title, file)
		}
	}
	return b.String(), nil
}

// print shows the tables to who has asked for a part of them only.
func (r *results) print(to io.Writer) {
	for i := range rows {
		for _, on := range []wire{ws, sse} {
			if table := r.table(rows[i].name, on); table != "" {
				fmt.Fprintf(to, "\n%s, %s\n\n%s", rows[i].name, wireNames[on], table)
			}
		}
	}
	fmt.Fprintf(to, "\n%s", r.targetTable())
}

// points are the values of one figure, in the order in which they were measured.
func (r *results) points(row string, on wire, figure string) (points []point) {
	seen := map[point]bool{}
	for _, m := range r.Measurements {
		p := point{server: m.Server, size: m.Size}
		if _, ok := m.Figures[figure]; !ok || seen[p] || m.Row != row || m.Wire != on {
			continue
		}
		seen[p] = true
		points = append(points, point{m.Server, m.Size, r.figure(row, on, m.Size, m.Server, figure)})
	}
	return points
}

// between replaces what stands between two markers; a page without them stays as it is.
func between(page []byte, name, text string) []byte {
	begin := []byte("<!-- " + name + " -->\n")
	before, rest, ok := bytes.Cut(page, begin)
	if !ok {
		return page
	}
	at := bytes.Index(rest, []byte("<!-- end -->"))
	if at < 0 {
		return page
	}
	return slices.Concat(before, begin, []byte(text), rest[at:])
}
