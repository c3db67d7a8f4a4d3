package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// printer writes lines, each in one piece.
type printer struct {
	json  bool
	color bool

	mu  sync.Mutex // guards the rest
	out io.Writer
}

func newPrinter(out io.Writer, asJSON bool) *printer {
	return &printer{json: asJSON, color: isTerminal(out) && os.Getenv("NO_COLOR") == "", out: out} // https://no-color.org
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *printer) print(l line) error {
	text := p.format(l)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.out, text+"\n")
	return err
}

func (p *printer) format(l line) string {
	if p.json {
		var text strings.Builder
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(l); err != nil {
			return fmt.Sprintf(`{"topic":%s,"error":%q}`, quoted(l.Topic), err.Error())
		}
		return strings.TrimSuffix(text.String(), "\n")
	}
	parts := []string{p.paint(colorOf(l.Topic), l.Topic)}
	if l.Time != nil {
		parts = append(parts, p.paint(dim, l.Time.Local().Format(time.TimeOnly)))
	}
	if l.Event != "" {
		parts = append(parts, p.paint(dim, "["+l.Event+"]"))
	}
	if l.Key != "" {
		parts = append(parts, p.paint(bold, l.Key))
	}
	switch {
	case l.Gap != "":
		parts = append(parts, p.paint(alarm, "gap: messages were missed ("+l.Gap+")"))
	case l.Refused != "":
		parts = append(parts, p.paint(alarm, "refused for now: "+l.Refused))
	case l.Deleted:
		parts = append(parts, p.paint(dim, "deleted"))
	default:
		parts = append(parts, visible(l.text))
	}
	return strings.Join(parts, " ")
}

// The colours (ECMA-48 section 8.3.117).
const (
	bold  = "1"
	dim   = "2"
	alarm = "1;31"
)

// colorOf returns the colour of a topic, which is never the alarm's.
func colorOf(topic string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, topic) // to memory
	return strconv.Itoa(32 + int(h.Sum32()%5))
}

func (p *printer) paint(color, text string) string {
	text = visible(text)
	if !p.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// visible escapes what would change the terminal or the lines: what others have published
// gets no say in that.
func visible(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
