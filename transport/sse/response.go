package sse

import (
	"net/http"
	"time"

	"github.com/tidewire/tidewire/transport/protocol"
)

// response is the output of a stream that stays the response of its request, whose
// handler waits meanwhile.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	begun   func() // called when the headers are written; may be nil
}

// longAgo is a deadline that has passed: it ends a write that is under way.
var longAgo = time.Unix(1, 0)

func newResponse(w http.ResponseWriter) *response {
	return &response{ResponseWriter: w, control: http.NewResponseController(w)}
}

func (r *response) SetWriteDeadline(at time.Time) error { return r.control.SetWriteDeadline(at) }

func (r *response) Flush() error { return r.control.Flush() }

func (r *response) Begin() {
	// The deadlines for the request as a whole aren't meant for a stream. Where they
	// can't be lifted there are none, as in a test's recorder.
	_ = r.control.SetReadDeadline(time.Time{})
	_ = r.SetWriteDeadline(time.Time{})
	setHeaders(r.Header())
	r.WriteHeader(http.StatusOK)
	if r.begun != nil {
		r.begun()
	}
}

func (r *response) Abort(ended bool) {
	if ended {
		return // the response isn't ours any more
	}
	_ = r.SetWriteDeadline(longAgo) // fails if nothing can be written anyway
}

func (r *response) End(bool) {
	_ = r.SetWriteDeadline(time.Time{}) // the connection may serve another request
}

// setHeaders sets the headers of a stream.
func setHeaders(h http.Header) {
	protocol.SetHeaders(h)
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
}
