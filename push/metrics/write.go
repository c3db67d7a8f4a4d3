package metrics

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/push"
)

// ContentType is that of what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes a hub's figures in Prometheus' text format, version 0.0.4, in one call of
// w.Write.
func Write(w io.Writer, s push.Stats) error {
	var b text
	all := All()
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range all {
		b.metric(&m, m.Read(&s))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// text is what is written so far.
type text struct{ bytes.Buffer }

var kinds = [...]string{Gauge: "gauge", Counter: "counter", Histogram: "histogram"}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func (t *text) metric(m *Metric, samples []Sample) {
	if len(samples) == 0 {
		return
	}
	t.WriteString("# HELP " + m.Name + " " + helpEscapes.Replace(m.Help) + "\n")
	t.WriteString("# TYPE " + m.Name + " " + kinds[m.Kind] + "\n")
	for _, sample := range samples {
		label := ""
		if m.Label != "" {
			label = m.Label + `="` + labelEscapes.Replace(sample.Label) + `"`
		}
		if m.Kind == Histogram {
			t.histogram(m.Name, label, &sample)
		} else {
			t.line(m.Name, label, number(sample.Value))
		}
	}
}

func (t *text) histogram(name, label string, s *Sample) {
	buckets := label
	if buckets != "" {
		buckets += ","
	}
	var n uint64
	for i, bound := range s.Times.Bounds {
		n += s.Times.Counts[i]
		t.line(name+"_bucket", buckets+`le="`+number(bound.Seconds())+`"`, strconv.FormatUint(n, 10))
	}
	n = s.Times.Count()
	t.line(name+"_bucket", buckets+`le="+Inf"`, strconv.FormatUint(n, 10))
	t.line(name+"_sum", label, number(s.Times.Sum.Seconds()))
	t.line(name+"_count", label, strconv.FormatUint(n, 10))
}

func (t *text) line(name, labels, value string) {
	t.WriteString(name)
	if labels != "" {
		t.WriteString("{" + labels + "}")
	}
	t.WriteString(" " + value + "\n")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
