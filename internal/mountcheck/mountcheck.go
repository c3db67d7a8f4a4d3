// Package mountcheck knows what a middleware in front of a hub's routes may do that is in
// the way of what is pushed. The checks look at a request as a route gets it.
package mountcheck

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Check looks for one thing that may be in the way.
type Check struct {
	Name string
	// Find returns what is wrong and what to change, in one line; nothing if all is well.
	Find func(route string, w http.ResponseWriter, r *http.Request) string
}

// Checks are all that are known.
var Checks = []Check{
	{"flush", findFlush},
	{"hijack", findHijack},
	{"deadline", findDeadline},
	{"write deadline", findWriteDeadline},
	{"encoding", findEncoding},
}

// Find returns what all checks find at a route, which is its name below the mount.
func Find(route string, w http.ResponseWriter, r *http.Request) (problems []string) {
	for _, c := range Checks {
		if problem := c.Find(route, w, r); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

type watchKey struct{}

// Watch returns a context of requests of which watch is told what is found. Calls may come
// from many goroutines.
func Watch(ctx context.Context, watch func(route string, problems []string)) context.Context {
	return context.WithValue(ctx, watchKey{}, watch)
}

// Observe tells the watch of a request's context, if there is one, what is found.
func Observe(route string, w http.ResponseWriter, r *http.Request) {
	if watch, ok := r.Context().Value(watchKey{}).(func(string, []string)); ok {
		watch(route, Find(route, w, r))
	}
}

func streams(route string) bool { return route == "ws" || route == "sse" }

func findFlush(route string, w http.ResponseWriter, _ *http.Request) string {
	if route != "sse" || offers(w, func(w http.ResponseWriter) bool {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		default:
			return false
		}
	}) {
		return ""
	}
	return fmt.Sprintf("a middleware's %T hides http.Flusher, so nothing can be streamed: give it a method Unwrap, or mount the routes outside of it", w)
}

func findHijack(route string, w http.ResponseWriter, r *http.Request) string {
	if !streams(route) || r.ProtoMajor != 1 || offers(w, func(w http.ResponseWriter) bool { _, ok := w.(http.Hijacker); return ok }) {
		return ""
	}
	return fmt.Sprintf("a middleware's %T hides http.Hijacker, so there are no WebSockets: give it a method Unwrap, or mount the routes outside of it", w)
}

// findDeadline is about streams whose end is that of the request: those over HTTP/2. Over
// HTTP/1 a route takes the connection over, and a poll is answered before.
func findDeadline(route string, _ http.ResponseWriter, r *http.Request) string {
	deadline, ok := r.Context().Deadline()
	if !ok || route != "sse" || r.ProtoMajor == 1 {
		return ""
	}
	return fmt.Sprintf("a middleware such as chi's Timeout ends each request after %v, so event streams over HTTP/2 end and resume that often: "+
		"mount the routes outside of it", time.Until(deadline).Round(time.Second))
}

func findWriteDeadline(route string, w http.ResponseWriter, _ *http.Request) string {
	if route != "sse" || offers(w, func(w http.ResponseWriter) bool {
		_, ok := w.(interface {
			SetWriteDeadline(deadline time.Time) error
		})
		return ok
	}) {
		return ""
	}
	return fmt.Sprintf("a middleware's %T hides SetWriteDeadline, so the server's WriteTimeout ends event streams: give it a method Unwrap, "+
		"or mount the routes outside of it", w)
}

func findEncoding(route string, w http.ResponseWriter, _ *http.Request) string {
	encoding := w.Header().Get("Content-Encoding")
	if !streams(route) || encoding == "" {
		return ""
	}
	return fmt.Sprintf("a middleware has set Content-Encoding: %s, so a stream would be compressed and held back: mount the routes outside of it", encoding)
}

// offers reports whether w or what it wraps is of some kind, as http.ResponseController
// finds out by using it.
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
