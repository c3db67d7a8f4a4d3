package doctor

import (
	"io"
	"iter"
	"net/http"
	"time"
)

// layers are w and what it wraps, from the outside in, as http.ResponseController goes through
// them.
func layers(w http.ResponseWriter) iter.Seq[http.ResponseWriter] {
	return func(yield func(http.ResponseWriter) bool) {
		for yield(w) {
			wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = wrapper.Unwrap()
		}
	}
}

// reach returns the first of the layers of w that is a T.
func reach[T any](w http.ResponseWriter) (found T, ok bool) {
	for layer := range layers(w) {
		if found, ok = layer.(T); ok {
			return found, true
		}
	}
	return found, false
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
	for layer := range layers(w) {
		if tee, ok := layer.(interface{ Tee(io.Writer) }); ok {
			tee.Tee(nil)
		}
	}
}
