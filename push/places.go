package push

import (
	"net/netip"
	"sync"
)

var (
	errFull        = Errorf(CodeUnavailable, "this instance has all the connections that it may have", nil)
	errUserFull    = Errorf(CodeLimitReached, "this user has too many connections", nil)
	errAddressFull = Errorf(CodeLimitReached, "this address has too many connections", nil)
)

// places counts the connections of a hub, from Admit to the end of their sessions.
type places struct {
	limits *Limits // static

	mu        sync.Mutex // guards the rest; innermost
	taken     int
	users     map[string]int
	addresses map[netip.Addr]*place
	elsewhere place // of those whose address isn't counted
}

// place is where connections come from.
type place struct {
	address netip.Addr
	taken   int
}

// take counts a connection in. The place is to be given back. An address that isn't
// valid isn't counted.
func (p *places) take(address netip.Addr) (*place, *Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.limits.Connections {
		return nil, errFull
	}
	at := &p.elsewhere
	if address.IsValid() {
		if at = p.addresses[address]; at == nil {
			at = &place{address: address}
		}
		if at.taken >= p.limits.PerAddress {
			return nil, errAddressFull
		}
		if at.taken == 0 {
			if p.addresses == nil {
				p.addresses = map[netip.Addr]*place{}
			}
			p.addresses[address] = at
		}
	}
	at.taken++
	p.taken++
	return at, nil
}

// give counts a connection out.
func (p *places) give(at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if at.taken--; at.taken == 0 {
		delete(p.addresses, at.address)
	}
}

// takeUser counts a connection to its user too, who may be anonymous.
func (p *places) takeUser(user string) *Error {
	if user == "" {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[user] >= p.limits.PerUser {
		return errUserFull
	}
	if p.users == nil {
		p.users = map[string]int{}
	}
	p.users[user]++
	return nil
}

func (p *places) giveUser(user string) {
	if user == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[user]--; p.users[user] == 0 {
		delete(p.users, user)
	}
}
