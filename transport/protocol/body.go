package protocol

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/tidewire/tidewire/push"
)

// bodyTimeout is how long a client may take to send a body.
const bodyTimeout = 10 * time.Second

// TimeBody begins the time in which a client has to send the request's body. Where that isn't
// supported, http.Server.ReadTimeout has to do.
func TimeBody(w http.ResponseWriter) { setBodyDeadline(w, time.Now().Add(bodyTimeout)) }

func setBodyDeadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

// ReadBody reads the body of a request to its end, within the time that TimeBody has begun,
// and refuses one of more than limit bytes. After that the time is lifted: the server reads
// on, to see whether the client leaves.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *push.Error) {
	if !r.ProtoAtLeast(1, 1) && r.Header.Get("Content-Length") == "" {
		return nil, push.NewError(push.CodeBadRequest, "a POST in HTTP/1.0 says its Content-Length", nil) // chunks mean nothing there
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, push.NewError(push.CodeTooLarge, fmt.Sprintf("a body has at most %d bytes here", limit), nil)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, push.NewError(push.CodeTimeout, "the body took too long", nil)
	case err != nil:
		return nil, push.NewError(push.CodeBadRequest, "the body can't be read", err)
	}
	setBodyDeadline(w, time.Time{})
	return body, nil
}
