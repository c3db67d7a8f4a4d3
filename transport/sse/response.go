package sse

import (
	"errors"
	"net/http"
	"time"
)

// response is the output of a stream that stays the response of its request, whose
// handler waits meanwhile.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newResponse(w http.ResponseWriter) *response {
	return &response{w, http.NewResponseController(w)}
}

func (r *response) SetWriteDeadline(at time.Time) error {
	if err := r.control.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil // a test's recorder, say: the queue's bound still holds
}

func (r *response) Flush() error { return r.control.Flush() }

func (r *response) Begin() {
	// A deadline for the request as a whole isn't meant for a stream.
	_ = r.control.SetReadDeadline(time.Time{})
	setHeaders(r.Header())
	r.WriteHeader(http.StatusOK)
}

func (r *response) Abort(ended bool) {
	if ended {
		return // the response isn't ours any more
	}
	_ = r.control.SetWriteDeadline(time.Unix(1, 0)) // fails if nothing can be written anyway
}

func (r *response) End(bool) {
	_ = r.control.SetWriteDeadline(time.Time{}) // the connection may serve another request
}
