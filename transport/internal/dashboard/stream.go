package dashboard

import (
	"net/http"
	"time"
)

const (
	// maxViewers is how many pages may be open on one instance.
	maxViewers = 32
	// writePatience is how long a viewer may take to read a snapshot.
	writePatience = 5 * time.Second
	// beginning asks the browser to come back soon after a stream has ended.
	beginning = "retry: 2000\n\n"
)

// stream serves the event stream of viewers.
type stream struct {
	sampler *sampler
	slots   chan struct{}
	servers servers
}

func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "too many pages are open")
		return
	}
	setHeaders(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // for nginx
	if r.Method == http.MethodHead {
		return
	}
	v := viewer{w, http.NewResponseController(w)}
	defer v.end()
	s.serve(r, &v)
}

// serve writes a snapshot a second until the viewer leaves, or the server shuts down. While
// the hub drains a stream has one snapshot, so that nothing waits for viewers; they come back
// as long as there is somebody to ask.
func (s *stream) serve(r *http.Request, v *viewer) {
	stopping := s.servers.stopping(r)
	first, history := s.sampler.begin()
	if !v.write([]byte(beginning), history, first.event) {
		return
	}
	tick := time.NewTimer(untilNext())
	defer tick.Stop()
	for last := first; !last.draining; {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-stopping:
			return
		}
		last = s.sampler.next()
		if !v.write(last.event) {
			return
		}
		tick.Reset(untilNext())
	}
}

// untilNext is the time to the next full second: all viewers wake up together, and share a
// snapshot.
func untilNext() time.Duration {
	now := time.Now()
	return now.Truncate(interval).Add(interval).Sub(now)
}

// viewer is the response of a stream.
type viewer struct {
	w          http.ResponseWriter
	controller *http.ResponseController
}

// write writes events, in time.
func (v *viewer) write(events ...[]byte) bool {
	// Where there are no deadlines, a viewer that doesn't read keeps its own slot only.
	_ = v.controller.SetWriteDeadline(time.Now().Add(writePatience))
	for _, event := range events {
		if _, err := v.w.Write(event); err != nil { //nolint:gosec // no browser takes an event or JSON for a page
			return false
		}
	}
	return v.controller.Flush() == nil
}

// end lifts the deadline, as the connection may have more requests.
func (v *viewer) end() { _ = v.controller.SetWriteDeadline(time.Time{}) }
