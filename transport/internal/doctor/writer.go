package doctor

import (
	"io"
	"net/http"
	"time"
)

// reach returns the first of w and what it wraps that is a T, as http.ResponseController
// would find it.
func reach[T any](w http.ResponseWriter) (found T, ok bool) {
	for {
		if found, ok = w.(T); ok {
			return found, true
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return found, false
		}
		w = wrapper.Unwrap()
	}
}

// CanFlush reports whether w can send what was written at once.
func CanFlush(w http.ResponseWriter) bool {
	_, flusher := reach[http.Flusher](w)
	_, flushError := reach[interface{ FlushError() error }](w)
	return flusher || flushError
}

// CanHijack reports whether a request's connection can be taken over.
func CanHijack(w http.ResponseWriter, r *http.Request) bool {
	_, ok := reach[http.Hijacker](w)
	return ok && r.ProtoMajor == 1
}

func canSetWriteDeadline(w http.ResponseWriter) bool {
	_, ok := reach[interface{ SetWriteDeadline(time.Time) error }](w)
	return ok
}

func canSetReadDeadline(w http.ResponseWriter) bool {
	_, ok := reach[interface{ SetReadDeadline(time.Time) error }](w)
	return ok
}

// StopCopying ends the copies that middlewares keep of a response for their logs: that of a
// stream would grow for as long as it lasts. The method is that of chi's WrapResponseWriter.
// It has to be called before anything is written.
func StopCopying(w http.ResponseWriter) {
	for {
		if tee, ok := w.(interface{ Tee(io.Writer) }); ok {
			tee.Tee(nil)
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = wrapper.Unwrap()
	}
}
