package sse

import (
	"net/http"
	"time"
)

// canFlush reports whether w can send what was written at once.
func canFlush(w http.ResponseWriter) bool {
	return offers(w, func(w http.ResponseWriter) bool {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		default:
			return false
		}
	})
}

// offers reports whether w or what it wraps is of some kind, as
// http.ResponseController would find out by using it.
func offers(w http.ResponseWriter, kind func(http.ResponseWriter) bool) bool {
	for !kind(w) {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = wrapper.Unwrap()
	}
	return true
}

// canLiftDeadline reports whether the server's WriteTimeout needn't hold.
func canLiftDeadline(w http.ResponseWriter) bool {
	return offers(w, func(w http.ResponseWriter) bool {
		_, ok := w.(interface{ SetWriteDeadline(time.Time) error })
		return ok
	})
}

// canTakeOver reports whether a request's connection can become a stream's own.
func canTakeOver(w http.ResponseWriter, r *http.Request) bool {
	return r.ProtoMajor == 1 && offers(w, func(w http.ResponseWriter) bool {
		_, ok := w.(http.Hijacker)
		return ok
	})
}
