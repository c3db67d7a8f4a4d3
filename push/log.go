package push

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// notices is what a kind of event may say in the log, since clients can bring some
// about as often as they like: noticesASecond lines a second. The first of a later
// second tells how many were left out.
type notices struct {
	// static
	logger *slog.Logger
	level  slog.Level

	mu      sync.Mutex // guards the rest
	second  int64
	said    int // in that second
	leftOut int
}

const noticesASecond = 20

func (n *notices) log(message string, args ...any) {
	n.mu.Lock()
	if now := time.Now().Unix(); now != n.second {
		n.second, n.said = now, 0
	}
	n.said++
	leftOut := n.leftOut
	if n.said > noticesASecond {
		n.leftOut++
	} else {
		n.leftOut = 0
	}
	silent := n.said > noticesASecond
	n.mu.Unlock()
	if silent {
		return
	}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	n.logger.Log(context.Background(), n.level, message, args...)
}

// longestNotice is how much of a text goes to the log that may quote what a client
// sent, in bytes.
const longestNotice = 256

// shortened gives what v says, for the log.
func shortened(v any) string {
	text := fmt.Sprint(v)
	if len(text) <= longestNotice {
		return text
	}
	return strings.ToValidUTF8(text[:longestNotice], "") + "…"
}
