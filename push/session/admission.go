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
	hub     *Host
	from    source
	slot    *slot // nil once a session has it, or it is given back
	entered bool  // Shutdown waits for it
}

// Admit begins to let a client in that wants a connection, and refuses it at once if
// its origin isn't allowed, the hub is draining, or a limit is reached that holds
// whoever the client may be. Transports call it first, before they take a connection
// out of the server's hands; then they ask Identify, and give the Admission to Open
// with the client. Shutdown waits until Release is called or the session has ended.
func (h *Host) Admit(r *http.Request) (*Admission, error) {
	a, err := h.Reserve(r)
	if err != nil {
		return nil, err
	}
	if err := a.Enter(false); err != nil {
		a.Release()
		return nil, err
	}
	return a, nil
}

// Reserve is the first half of Admit, for a transport that reads a request's body before it
// lets the client in, which may take a while: Shutdown doesn't wait for it. The second half
// is Enter. Release has to be called as after Admit.
func (h *Host) Reserve(r *http.Request) (*Admission, error) {
	if err := h.checkOrigin(r); err != nil {
		return nil, err
	}
	h.drainWith(r)
	if h.isDraining() {
		return nil, push.CodeDraining
	}
	if h.memory.full() {
		return nil, h.refuse(errNoMemory)
	}
	from := h.source(r)
	at, err := h.limiter.reserve(from, h.wheel.Now())
	if err != nil {
		return nil, err
	}
	return &Admission{hub: h, from: from, slot: at}, nil
}

// Enter lets a client in whose place was reserved, unless the hub is draining meanwhile or
// Limits.Opens is reached. Again says that the client goes on where an earlier request ended,
// as each poll does after the first: it doesn't count against Limits.Opens if the client of
// an earlier one, of the same address, was expected back (see ExpectBack).
func (a *Admission) Enter(again bool) error {
	if err := a.hub.enter(); err != nil {
		return err
	}
	a.entered = true
	if err := a.hub.limiter.open(a.from, again, a.hub.wheel.Now()); err != nil {
		return err
	}
	return nil
}

// Identify asks who the client is, in time; an error refuses it.
func (a *Admission) Identify(r *http.Request) (push.Identity, error) {
	return a.hub.identify(r, a.from)
}

// ExpectBack notes, once the session has ended, that the client comes back soon: within ten
// seconds one client from its address that Enters again doesn't count as the opening of a
// connection.
func (a *Admission) ExpectBack() { a.hub.limiter.returns.expect(a.from, a.hub.wheel.Now()) }

// Release gives the client's place back, unless a session has got it. It has to be
// called, whatever became of the client; calling it again does nothing.
func (a *Admission) Release() {
	if a.slot != nil {
		a.hub.limiter.slots.release(a.slot)
		a.slot = nil
		a.leave()
	}
}

// leave lets Shutdown go on, if it has to wait for the client.
func (a *Admission) leave() {
	if a.entered {
		a.entered = false
		a.hub.work.Done()
	}
}

var errAdmissionUsed = push.NewError(push.CodeInternal, "", errors.New("the transport has used this admission before, or hasn't entered with it"))

// seat counts a session in, and gives it the place to which its client was admitted, if
// that is so.
func (h *Host) seat(s *Session, transport string, a *Admission) error {
	if a == nil {
		return h.addWatched(s, transport)
	}
	if a.slot == nil || !a.entered {
		return errAdmissionUsed
	}
	if err := h.limiter.slots.acquireUser(s.Identity().User); err != nil {
		return err
	}
	s.slot = a.slot
	if err := h.addWatched(s, transport); err != nil {
		h.limiter.slots.releaseUser(s.Identity().User)
		return err
	}
	a.slot = nil
	a.leave() // the session is counted itself
	return nil
}

// addWatched is add for those who watch, who hear of a connection before its session can do
// anything.
func (h *Host) addWatched(s *Session, transport string) error {
	s.hookConnected()
	err := h.add(s, transport)
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
