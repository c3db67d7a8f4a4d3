package doctor

import (
	"runtime"
	"strings"
)

// maxDepth is how many calls deep the doctor looks.
const maxDepth = 512

// calledBy reports whether a function is running in this goroutine whose name, with the path
// of its package, is of a kind.
func calledBy(is func(name string) bool) bool {
	pcs := make([]uintptr, maxDepth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		if is(frame.Function) {
			return true
		}
		if !more {
			return false
		}
	}
}

// inServersGoroutine reports whether the server itself waits for the handler. Then no
// middleware can answer before the handler returns, and a deadline is only the context's.
func inServersGoroutine() bool {
	return calledBy(func(name string) bool {
		return name == "net/http.(*conn).serve" || strings.HasSuffix(name, "erverConn).runHandler")
	})
}

// isThrottled reports whether chi's Throttle, of any version, waits for the handler.
func isThrottled() bool {
	return calledBy(func(name string) bool {
		return strings.HasPrefix(name, "github.com/go-chi/chi/") && strings.Contains(name, "middleware.Throttle")
	})
}
