package upload

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/push"
)

// The header fields of draft-ietf-httpbis-resumable-upload.
const (
	headerOffset   = "Upload-Offset"
	headerComplete = "Upload-Complete"
	headerLength   = "Upload-Length"
	headerLimit    = "Upload-Limit"

	exposedHeaders = "Location, Retry-After, Upload-Complete, Upload-Length, Upload-Limit, Upload-Offset"
	partialUpload  = "application/partial-upload"
)

// maxText is how many bytes of a file's name, and of its type, are kept.
const maxText = 255

// integer reads a header field that is an integer (RFC 9651 section 3.3.1), given once; -1 if
// it isn't there.
func integer(r *http.Request, name string) (int64, *push.Error) {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return -1, nil
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if len(values) > 1 || err != nil || len(values[0]) > 15 {
		return 0, push.NewError(push.CodeBadRequest, name+" is a whole number, given once", nil)
	}
	return int64(n), nil
}

// complete reads Upload-Complete, which has to be there.
func complete(r *http.Request) (bool, *push.Error) {
	if values := r.Header.Values(headerComplete); len(values) == 1 && (values[0] == "?1" || values[0] == "?0") {
		return values[0] == "?1", nil
	}
	return false, push.NewError(push.CodeBadRequest, "Upload-Complete is ?0 or ?1, given once", nil)
}

// text returns what a client says of its file, as UTF-8 without control characters, shortened.
func text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) > maxText {
		s = s[:maxText]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// fileName is that of the Content-Disposition (RFC 6266); empty if there is none.
func fileName(r *http.Request) string {
	_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	return text(parameters["filename"])
}

// setState says in the header of an answer how far the upload is.
func (h *Handler) setState(w http.ResponseWriter, u Upload) {
	header := w.Header()
	header.Set(headerOffset, strconv.FormatInt(u.Offset, 10))
	header.Set(headerLength, strconv.FormatInt(u.Size, 10))
	header.Set(headerComplete, "?0")
	if u.Result != nil {
		header.Set(headerComplete, "?1")
	}
}

func (h *Handler) setLimit(w http.ResponseWriter) {
	// An integer of a header has at most 15 digits.
	const most = 999_999_999_999_999
	w.Header().Set(headerLimit, fmt.Sprintf("max-size=%d, max-append-size=%d", min(h.options.MaxSize, most), min(h.options.MaxPiece, most)))
}
