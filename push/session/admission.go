package session

import (
	"errors"
	"net/http"

	"github.com/tidewire/tidewire/push"
)

// Admission is a client on its way in: it holds a place on the hub, from before it is
// known who it is until its session has ended or it was turned away. It is for one
// goroutine.
type Admission struct {
	hub  *Host
	from source
	slot *slot // nil once a session has it, or it is given back
}

// Admit begins to let a client in that wants a connection, and refuses it at once if
// its origin isn't allowed, the hub is draining, or a limit is reached that holds
// whoever the client may be. Transports call it first, before they take a connection
// out of the server's hands; then they ask Identify, and give the Admission to Open
// with the client. Shutdown waits until Release is called or the session has ended.
func (h *Host) Admit(r *http.Request) (*Admission, error) { return h.admit(r, false) }

// Readmit is Admit for a request that says that it goes on where an earlier one ended, as
// each poll does after the first. It doesn't count against Limits.Opens if the client of
// an earlier one, of the same address, was expected back (see ExpectBack).
func (h *Host) Readmit(r *http.Request) (*Admission, error) { return h.admit(r, true) }

func (h *Host) admit(r *http.Request, again bool) (*Admission, error) {
	if err := h.checkOrigin(r); err != nil {
		return nil, err
	}
	h.drainWith(r)
	if err := h.enter(); err != nil {
		return nil, err
	}
	if h.memory.full() {
		h.work.Done()
		return nil, h.refuse(errNoMemory)
	}
	from := h.source(r)
	at, err := h.limiter.enter(from, again, h.wheel.Now())
	if err != nil {
		h.work.Done()
		return nil, err
	}
	return &Admission{h, from, at}, nil
}

// Identify asks who the client is, in time; an error refuses it.
func (a *Admission) Identify(r *http.Request) (push.Identity, error) {
	return a.hub.identify(r, a.from)
}

// ExpectBack notes, once the session has ended, that the client comes back soon: within ten
// seconds one Readmit from its address doesn't count as the opening of a connection.
func (a *Admission) ExpectBack() { a.hub.limiter.returns.expect(a.from, a.hub.wheel.Now()) }

// Release gives the client's place back, unless a session has got it. It has to be
// called, whatever became of the client; calling it again does nothing.
func (a *Admission) Release() {
	if a.slot != nil {
		a.hub.limiter.slots.release(a.slot)
		a.slot = nil
		a.hub.work.Done()
	}
}

var errAdmissionUsed = push.NewError(push.CodeInternal, "", errors.New("the transport has used this admission before"))

// seat counts a session in, and gives it the place to which its client was admitted, if
// that is so.
func (h *Host) seat(s *Session, a *Admission) error {
	if a == nil {
		return h.addWatched(s)
	}
	if a.slot == nil {
		return errAdmissionUsed
	}
	if err := h.limiter.slots.acquireUser(s.Identity().User); err != nil {
		return err
	}
	s.slot = a.slot
	if err := h.addWatched(s); err != nil {
		h.limiter.slots.releaseUser(s.Identity().User)
		return err
	}
	a.slot = nil
	h.work.Done() // the session is counted itself
	return nil
}

// addWatched is add for those who watch, who hear of a connection before its session can do
// anything.
func (h *Host) addWatched(s *Session) error {
	s.hookConnected()
	err := h.add(s)
	if err != nil {
		s.hookDisconnected(push.AsError(err))
	}
	return err
}

// releaseSlot undoes seat.
func (s *Session) releaseSlot() {
	if s.slot != nil {
		s.hub.limiter.slots.releaseUser(s.Identity().User)
		s.hub.limiter.slots.release(s.slot)
	}
}
