package sse

import (
	"net/http"
	"strconv"
	"strings"
)

// accepts reports whether the client takes an event stream (RFC 9110 section
// 12.5.1). No Accept header takes everything.
func accepts(r *http.Request) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return true
	}
	for entry := range strings.SplitSeq(strings.Join(values, ","), ",") {
		kind, parameters, _ := strings.Cut(entry, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "text/event-stream", "text/*", "*/*":
			if !zeroQuality(parameters) {
				return true
			}
		}
	}
	return false
}

func zeroQuality(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err != nil || q == 0
		}
	}
	return false
}
