package session

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// throttledLog lines go to the log about what clients can bring about as often as they like: of
// each kind linesAMinute lines a minute. The first of a later minute tells how many
// were left out.
type throttledLog struct {
	// static
	logger *slog.Logger
	level  slog.Level

	mu    sync.Mutex // guards the rest
	kinds map[string]*kindCount
}

// kindCount is what was said of one kind.
type kindCount struct {
	minute  int64
	said    int // in that minute
	leftOut int
}

const linesAMinute = 5

// log logs a message, which is a kind of its own.
func (n *throttledLog) log(message string, args ...any) {
	n.logKind(n.level, message, message, func() []any { return args })
}

// logKind logs what args gives, if that kind may still be said. Kinds are made of what
// the program says, so that clients can't invent any.
func (n *throttledLog) logKind(level slog.Level, kind, message string, args func() []any) {
	leftOut, ok := n.take(kind)
	if !ok {
		return
	}
	all := args()
	if leftOut > 0 {
		all = append(all, "left_out", leftOut)
	}
	n.logger.Log(context.Background(), level, message, all...)
}

// take counts one of a kind. It reports whether that may be said, and if so how many
// weren't since the last that was.
func (n *throttledLog) take(kind string) (leftOut int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	of := n.kinds[kind]
	if of == nil {
		if n.kinds == nil {
			n.kinds = map[string]*kindCount{}
		}
		of = new(kindCount)
		n.kinds[kind] = of
	}
	if now := time.Now().Unix() / 60; now != of.minute {
		of.minute, of.said = now, 0
	}
	if of.said >= linesAMinute {
		of.leftOut++
		return 0, false
	}
	of.said++
	leftOut, of.leftOut = of.leftOut, 0
	return leftOut, true
}

// maxLogText is how much of a text goes to the log that may quote what a client
// sent, in bytes.
const maxLogText = 256

// shortened gives what v says, for the log.
func shortened(v any) string {
	text := fmt.Sprint(v)
	if len(text) <= maxLogText {
		return text
	}
	return strings.ToValidUTF8(text[:maxLogText], "") + "…"
}

// escaped gives a client's own text for the log: its first part, with everything
// escaped that isn't printable ASCII, as in a Go string.
func escaped(text string) string {
	quoted := strconv.QuoteToASCII(shortened(text))
	return quoted[1 : len(quoted)-1]
}
