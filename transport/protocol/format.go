package protocol

import (
	"net/http"
	"net/url"
	"strings"
)

// FormatRaw is the value of a URL's parameter format with which a client asks for payloads
// as they are, without frames around them.
const FormatRaw = "raw"

// Formats returns what a URL says of the format: its parameters format=…, nil if it has none.
// [Follows] has to have read the URL: what is malformed is passed over here.
func Formats(r *http.Request) (formats []string) {
	for parameter := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != "format" {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			formats = append(formats, value)
		}
	}
	return formats
}
