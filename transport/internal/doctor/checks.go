package doctor

import (
	"net/http"
	"time"
)

// Effect is what becomes of clients where a check has found something.
type Effect string

// The effects, from the best.
const (
	Works   Effect = "works"   // but it costs something
	Fixed   Effect = "fixed"   // it is lifted, and nothing is said
	Rotates Effect = "rotates" // streams end before they are cut, and the client resumes
	Refused Effect = "refused" // a request is answered with an error
)

// Check is one thing above a route that may be in its way.
type Check struct {
	Name   string
	Effect Effect
	What   string // the line in the log: what it is, and what happens; empty for Fixed
	Hint   string // what to change
}

const (
	needsUnwrap = "give its http.ResponseWriter the method Unwrap() http.ResponseWriter, or mount the routes above it"
	mountAbove  = "mount the routes above it"
)

// The checks.
var (
	noFlush = Check{"no flush", Refused,
		"a middleware hides http.Flusher, so event streams are refused", needsUnwrap}
	noSocket = Check{"no socket", Refused,
		"a middleware hides http.Hijacker, so WebSockets are refused", needsUnwrap}
	noHijack = Check{"no hijack", Works,
		"a middleware hides http.Hijacker, so each event stream keeps a goroutine, and a client whose network is gone is noticed late", needsUnwrap}
	deadline = Check{"request deadline", Fixed, "", ""}
	foreign  = Check{"deadline of another goroutine", Rotates,
		"a middleware with a deadline runs the handler in another goroutine, so event streams end and resume before the deadline", mountAbove}
	writeTimeout = Check{"http.Server.WriteTimeout", Rotates,
		"http.Server.WriteTimeout can't be lifted below a middleware that hides the connection, so event streams end and resume before it", needsUnwrap}
	readTimeout = Check{"http.Server.ReadTimeout", Rotates,
		"http.Server.ReadTimeout can't be lifted below a middleware that hides the connection, so event streams end and resume before it", needsUnwrap}
	compression = Check{"compression", Works,
		"a middleware compresses event streams, which takes up to 1 MB of memory for each client", "leave text/event-stream out of what it compresses, or mount the routes above it"}
	copying  = Check{"copied response", Fixed, "", ""}
	throttle = Check{"chi's Throttle", Works,
		"chi's Throttle counts each poll, and each event stream over HTTP/2, as a request for as long as it lasts, so clients use up its limit",
		"mount the routes above it; push.Options.Limits bounds clients"}
	fewStreams = Check{"MaxConcurrentStreams", Works,
		"http.Server.HTTP2.MaxConcurrentStreams is low, and each event stream holds one stream of its connection for as long as it lasts, so other requests wait",
		"allow at least 100 (RFC 9113 section 6.5.2): all tabs of a browser share a connection, and all clients of a proxy may"}
	shortPolls = Check{"short polls", Works,
		"a time limit for requests makes polls short, so clients that poll ask often", "mount the routes above it, or allow 30 s"}
)

// Checks are all that the doctor looks at, in the order of a request's path.
var Checks = []Check{noFlush, noSocket, noHijack, deadline, foreign, writeTimeout, readTimeout, compression, copying, throttle, fewStreams, shortPolls}

// minStreams is how many streams a connection of HTTP/2 should have (RFC 9113 section 6.5.2).
const minStreams = 100

// shortPoll is how long a poll should be able to wait.
const shortPoll = 5 * time.Second

// serverOf returns the server of a request, or an empty one if it has none that is known.
func serverOf(r *http.Request) *http.Server {
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		return server
	}
	return new(http.Server)
}
