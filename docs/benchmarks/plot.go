package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// plot is a picture of one figure in a row.
type plot struct {
	figure string
	draw   func(title, unit string, points []point) string
}

// point is one server's figure at one size.
type point struct {
	server string
	size   int
	spread spread
}

const (
	plotWidth = 720
	labels    = 130 // left of the plot
)

// style has its own background, so that pages of any colour can show it.
const style = `<style>
svg { font: 13px system-ui, sans-serif; }
.back { fill: #ffffff; } text { fill: #24292f; } .quiet { fill: #57606a; } .axis { stroke: #d0d7de; }
.ours { fill: #0969da; } .other { fill: #8c959f; } .range { stroke: #24292f; } .line { fill: none; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #8b949e; } .axis { stroke: #30363d; }
.ours { fill: #4493f8; } .other { fill: #6e7681; } .range { stroke: #e6edf3; }
}
</style>
`

// colours are of curves; each can be told from both backgrounds.
var colours = map[string]string{
	"tidewire": "#2f81f7", "floor": "#8b949e", "gorilla": "#db6d28", "gws": "#3fb950", "flusher": "#bf4b8a",
	"centrifuge": "#a371f7",
}

func drawing(title string, height int, content string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 %d %d" width="%d" height="%d">
<title>%s</title>
%s<rect class="back" width="100%%" height="100%%" rx="6"/>
<text x="16" y="26" font-weight="600">%s</text>
%s</svg>
`, plotWidth, height, plotWidth, height, html.EscapeString(title), style, html.EscapeString(title), content)
}

// bars has a bar for each server: its median, and a line from the least to the most of all repeats.
func bars(title, unit string, points []point) string {
	const top, step, bar, numbers = 44, 26, 16, 70
	most := 0.
	for _, p := range points {
		most = max(most, p.spread.high)
	}
	if most == 0 {
		return ""
	}
	scale := (plotWidth - labels - numbers) / most
	var b strings.Builder
	for i, p := range points {
		y := top + i*step
		class := "other"
		if p.server == ours {
			class = "ours"
		}
		x := func(v float64) float64 { return labels + v*scale }
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", labels-8, y+bar-3, p.server)
		fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n",
			class, labels, y, p.spread.median*scale, bar)
		fmt.Fprintf(&b, "<line class=\"range\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
			x(p.spread.low), x(p.spread.high), y+bar/2, y+bar/2)
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", x(p.spread.high)+6, y+bar-3, number(p.spread.median))
	}
	height := top + len(points)*step + 28
	fmt.Fprintf(&b, "<text class=\"quiet\" x=\"%d\" y=\"%d\">%s; the line is the range over the repeats</text>\n",
		labels, height-14, html.EscapeString(unit))
	return drawing(title, height, b.String())
}

// curves has a line for each server over the sizes, which grow by factors.
func curves(title, unit string, points []point) string {
	const top, height, bottom, right = 56, 340, 50, 110
	var most float64
	var sizes []int
	byServer := map[string][]point{}
	var order []string
	for _, p := range points {
		most = max(most, p.spread.median)
		sizes = append(sizes, p.size)
		if byServer[p.server] == nil {
			order = append(order, p.server)
		}
		byServer[p.server] = append(byServer[p.server], p)
	}
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	if len(sizes) < 2 {
		return ""
	}
	least, span := math.Log(float64(sizes[0])), math.Log(float64(sizes[len(sizes)-1])/float64(sizes[0]))
	x := func(size int) float64 {
		return 60 + (math.Log(float64(size))-least)/span*(plotWidth-60-right)
	}
	y := func(v float64) float64 { return height - bottom - v/most*(height-bottom-top) }
	var b strings.Builder
	for _, part := range []float64{0, .5, 1} {
		fmt.Fprintf(&b, "<line class=\"axis\" x1=\"60\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n", plotWidth-right, y(most*part), y(most*part))
		fmt.Fprintf(&b, "<text class=\"quiet\" x=\"52\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", y(most*part)+4, number(most*part))
	}
	for _, size := range sizes {
		fmt.Fprintf(&b, "<text class=\"quiet\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n", x(size), height-bottom+20, size)
	}
	fmt.Fprintf(&b, "<text class=\"quiet\" x=\"60\" y=\"%d\">%s</text>\n", height-10, html.EscapeString(unit))
	free := apart(order, func(server string) float64 {
		line := byServer[server]
		return y(line[len(line)-1].spread.median)
	})
	for _, server := range order {
		colour := colours[server]
		fmt.Fprintf(&b, "<polyline class=\"line\" stroke=\"%s\" points=\"", colour)
		for _, p := range byServer[server] {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(p.size), y(p.spread.median))
		}
		b.WriteString("\"/>\n")
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%.1f\" style=\"fill: %s\">%s</text>\n", plotWidth-right+8, free[server]+4, colour, server)
	}
	return drawing(title, height, b.String())
}

// apart gives labels places that don't overlap, near where they belong.
func apart(names []string, place func(string) float64) map[string]float64 {
	const line = 16
	names = slices.SortedFunc(slices.Values(names), func(a, b string) int { return int(place(a) - place(b)) })
	places := map[string]float64{}
	lowest := 0.
	for _, name := range names {
		lowest = max(place(name), lowest+line)
		places[name] = lowest
	}
	return places
}
