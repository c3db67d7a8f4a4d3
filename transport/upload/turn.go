package upload

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// turns lets one request at a time deal with an upload. The newest comes first: a client that
// asks again has given its last request up, even if the server doesn't see that yet.
type turns struct {
	mu sync.Mutex
	of map[string]*turn // by ID
}

// turn is that of one request.
type turn struct {
	over chan struct{} // closed when it has ended

	mu     sync.Mutex
	body   *http.ResponseController // while the body is read
	ending bool                     // another request wants its turn
}

// turnTimeout is how long a request waits for another one to end, whose body it has cut off.
const turnTimeout = 5 * time.Second

var errBusy = push.NewError(push.CodeUnavailable, "another request for this upload is under way", nil)

// take waits for the turn of a request. leave ends it.
func (t *turns) take(ctx context.Context, id string) (mine *turn, leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	mine = &turn{over: make(chan struct{})}
	for {
		t.mu.Lock()
		other := t.of[id]
		if other == nil {
			t.of[id] = mine
			t.mu.Unlock()
			return mine, func() { t.leave(id, mine) }, nil
		}
		t.mu.Unlock()
		other.end()
		select {
		case <-other.over:
		case <-ctx.Done():
			return nil, nil, errBusy
		}
	}
}

func (t *turns) leave(id string, mine *turn) {
	t.mu.Lock()
	delete(t.of, id)
	t.mu.Unlock()
	close(mine.over)
}

// end makes the turn's request read no more of its body.
func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ending = true
	if t.body != nil {
		_ = t.body.SetReadDeadline(time.Unix(1, 0))
	}
}

// beginBody sets the deadline of the body, which is over at once if the turn is to end.
func (t *turn) beginBody(w http.ResponseWriter, deadline time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.body = http.NewResponseController(w)
	if t.ending {
		deadline = time.Unix(1, 0)
	}
	_ = t.body.SetReadDeadline(deadline) // where it isn't supported, the server's own has to do
}

// endBody follows beginBody, before the handler returns.
func (t *turn) endBody(whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if whole {
		_ = t.body.SetReadDeadline(time.Time{}) // the server reads on, to see whether the client leaves
	}
	t.body = nil
}
