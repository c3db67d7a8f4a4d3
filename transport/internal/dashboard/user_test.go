package dashboard

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// asleep is the response of a viewer that doesn't read: a write takes until its deadline.
type asleep struct {
	*response
	deadline time.Time
	wait     func(deadline time.Time)
}

func (a *asleep) SetWriteDeadline(at time.Time) error {
	a.deadline = at
	return nil
}

func (a *asleep) Write([]byte) (int, error) {
	a.wait(a.deadline)
	return 0, http.ErrHandlerTimeout
}

// TestLookupsDontWaitForSlowReaders: a viewer that doesn't read its answer keeps nobody from
// looking users up, and is let go.
func TestLookupsDontWaitForSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
		user := Routes(hub)["user"]
		ask := func(w http.ResponseWriter) chan struct{} {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				user.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/user?name=ann", nil))
			}()
			synctest.Wait()
			return ended
		}
		gone := make(chan struct{}) // closed when the viewer leaves
		defer close(gone)
		slow := &asleep{response: newResponse(), wait: func(deadline time.Time) {
			if deadline.IsZero() {
				<-gone
				return
			}
			time.Sleep(time.Until(deadline))
		}}
		stalled := ask(slow)
		select {
		case <-ask(newResponse()):
		default:
			t.Error("another lookup waits for a viewer that doesn't read")
		}
		time.Sleep(writePatience)
		synctest.Wait()
		select {
		case <-stalled:
		default:
			t.Error("the viewer that doesn't read isn't let go")
		}
		if !slow.deadline.IsZero() {
			t.Error("the deadline stays for the connection's next request")
		}
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
