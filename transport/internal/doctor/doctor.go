// Package doctor examines what an application has put above the routes of a hub: its
// middlewares and its http.Server. It fixes what can be fixed, and says the rest once for each
// route and cause, in the log and as a warning of the hub.
package doctor

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Doctor examines the requests of one transport.
type Doctor struct {
	host      *session.Host
	throttled sync.Map // routes and versions of HTTP where chi's Throttle was looked for
}

// New makes a doctor.
func New(host *session.Host) *Doctor { return &Doctor{host: host} }

// say says what a check has found.
func (d *Doctor) say(r *http.Request, c Check, args ...any) {
	d.host.Hindered(r, c.Name, c.What, c.Hint, args...)
}

// RefuseUnflushable refuses a stream whose events nothing would send, and reports whether it
// has.
func (d *Doctor) RefuseUnflushable(w http.ResponseWriter, r *http.Request) bool {
	if CanFlush(w) {
		return false
	}
	d.say(r, noFlush, "writer", fmt.Sprintf("%T", w))
	e := push.NewError(push.CodeInternal,
		fmt.Sprintf("a middleware hides http.Flusher, so nothing can be streamed: its %T has neither Flush nor Unwrap", w), nil)
	d.host.CountRefused(e.Code)
	protocol.WriteError(w, r, e)
	return true
}

// Unhijackable notes that a WebSocket was refused whose connection can't be taken over.
func (d *Doctor) Unhijackable(w http.ResponseWriter, r *http.Request) {
	d.say(r, noSocket, "writer", fmt.Sprintf("%T", w))
	d.host.CountRefused(push.CodeInternal)
}

// Begun examines a stream whose headers have been written.
func (d *Doctor) Begun(w http.ResponseWriter, r *http.Request) {
	if encoding := w.Header().Get("Content-Encoding"); encoding != "" {
		d.say(r, compression, "encoding", encoding)
	}
}

// Polled examines a poll, of which the longest that is asked for would wait for so long, and
// can't wait for longer than allowed.
func (d *Doctor) Polled(r *http.Request, allowed, longest time.Duration) {
	if allowed < longest && allowed < shortPoll {
		d.say(r, shortPolls, "wait", allowed.Round(time.Millisecond))
	}
	d.checkThrottle(r)
}

// checkThrottle looks for chi's Throttle at the first request of a route for each version of
// HTTP, and at those that are watched.
func (d *Doctor) checkThrottle(r *http.Request) {
	_, known := d.throttled.LoadOrStore([2]string{r.Pattern, r.Proto}, true)
	if (!known || session.IsWatched(r)) && isThrottled() {
		d.say(r, throttle)
	}
}
