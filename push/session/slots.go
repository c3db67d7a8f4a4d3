package session

import (
	"sync"

	"github.com/tidewire/tidewire/push"
)

var (
	errFull = &push.Error{
		Code: push.CodeUnavailable, Reason: "this instance has all the connections that it may have",
		Hint: "push.Limits.Connections is reached; by default it is 90 % of the descriptors that the process may open",
	}
	errUserFull = &push.Error{
		Code: push.CodeLimitReached, Reason: "this user has too many connections",
		Hint: "push.Limits.PerUser is reached",
	}
	errAddressFull = &push.Error{
		Code: push.CodeLimitReached, Reason: "this address has too many connections",
		Hint: "push.Limits.PerAddress is reached; if the address is a proxy's, list it in push.Options.Proxies",
	}
)

// slots counts the connections of a hub, from Admit to the end of their sessions.
type slots struct {
	limits *push.Limits // static

	mu        sync.Mutex // guards the rest; innermost
	taken     int
	users     map[string]int
	sources   map[source]*slot
	elsewhere slot // of those who have no address
}

// slot is where connections come from.
type slot struct {
	from  source
	taken int
}

// acquire counts a connection in. The slot is to be released. Limits.PerAddress holds
// if the address is counted.
func (p *slots) acquire(from source, counted bool) (*slot, *push.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.limits.Connections {
		return nil, errFull
	}
	at := &p.elsewhere
	if from.address.IsValid() {
		if at = p.sources[from]; at == nil {
			at = &slot{from: from}
		}
		if counted && at.taken >= p.limits.PerAddress {
			return nil, errAddressFull
		}
		if at.taken == 0 {
			if p.sources == nil {
				p.sources = map[source]*slot{}
			}
			p.sources[from] = at
		}
	}
	at.taken++
	p.taken++
	return at, nil
}

// release counts a connection out.
func (p *slots) release(at *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if at.taken--; at.taken == 0 {
		delete(p.sources, at.from)
	}
}

// acquireUser counts a connection to its user too, who may be anonymous.
func (p *slots) acquireUser(user string) *push.Error {
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

// connections counts those of a user.
func (p *slots) connections(user string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.users[user]
}

func (p *slots) releaseUser(user string) {
	if user == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[user]--; p.users[user] == 0 {
		delete(p.users, user)
	}
}
