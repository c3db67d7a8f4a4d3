package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	// cutWithin is how long a user may get messages who was revoked, and cutSlack how much longer it may seem to the clients
	// of a busy machine.
	cutWithin = 5 * time.Second
	cutSlack  = time.Second
	barredFor = 2 * time.Second // beyond that
	// unsettled is how long instances may take to hear again after what befell Redis before.
	unsettled       = 15 * time.Second
	manyProbers     = 100 // more than there are publishers for other purposes
	decisionTimeout = 30 * time.Second
	backWithin      = 30 * time.Second
	refreshed       = 5 // sessions
	// shortLife is what is left to an identity when its session is refreshed: it is over, and so is a part of the grace that
	// sessions have.
	shortLife  = -9 * time.Second
	endsWithin = 15 * time.Second
)

// revokeUser takes a user's rights away, and gives them back. In between nothing reaches the user's clients that was
// published after the five seconds which they may take, and none is let in. Afterwards all are.
func (w *world) revokeUser(d *draws) error {
	first := w.clients[d.random.IntN(len(w.clients))]
	var clients []*client
	for _, c := range w.clients {
		if c.user == first.user {
			clients = append(clients, c)
		}
	}
	heard, stop := context.WithTimeout(context.Background(), unsettled)
	defer stop()
	within := cutWithin + cutSlack
	if w.probe(heard, w.newPublisher(w.config.publishers+manyProbers+int(w.probers.Add(1)), time.Second)) == never {
		within = unsettled // some instances may still hear nothing
	}
	right := push.Revocation{User: first.user}
	if err := decide(w.desk.Revoke, right); err != nil {
		return err
	}
	for _, c := range clients {
		c.bar(time.Now().Add(within))
	}
	time.Sleep(within + barredFor)
	before := make([]int, len(clients))
	for i, c := range clients {
		c.bar(time.Time{})
		before[i] = c.connections()
	}
	if err := decide(w.desk.Restore, right); err != nil {
		return err
	}
	for i, c := range clients {
		for deadline := time.Now().Add(backWithin); c.connections() == before[i]; time.Sleep(pollInterval) {
			if time.Now().After(deadline) {
				return fmt.Errorf("client %d of %s isn't let in again; %s", c.number, c.user, c.timeline(""))
			}
		}
	}
	return nil
}

// decide revokes or restores until that is known to be done.
func decide(do func(context.Context, push.Revocation) error, r push.Revocation) error {
	ctx, cancel := context.WithTimeout(context.Background(), decisionTimeout)
	defer cancel()
	for {
		err := do(ctx, r)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(retryBackoff)
	}
}

// refreshSessions gives some sessions an identity that is over soon, each through another instance than the one that has
// it. That instance must end the session.
func (w *world) refreshSessions(d *draws) error {
	told := map[*client]string{}
	for range refreshed {
		c := w.clients[d.random.IntN(len(w.clients))]
		session, instance := c.place()
		if session == "" {
			continue
		}
		elsewhere := w.addresses[(instance+1)%len(w.addresses)]
		if err := refresh(elsewhere[d.random.IntN(len(elsewhere))], session, c.user); err != nil {
			continue // the instance or the path to it is away
		}
		told[c] = session
	}
	if len(told) == 0 {
		return errors.New("no session could be refreshed")
	}
	for c, session := range told {
		for deadline := time.Now().Add(endsWithin); ; time.Sleep(pollInterval) {
			if now, _ := c.place(); now != session {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("client %d still has the session that was refreshed with an identity that is over", c.number)
			}
		}
	}
	return nil
}

func refresh(address, session, user string) error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"refresh?"+url.Values{"session": {session}}.Encode(), nil)
	if err != nil {
		return err
	}
	r.Header.Set(userHeader, user)
	r.Header.Set(lastsHeader, shortLife.String())
	response, err := newConnection().transport().RoundTrip(r)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// bar notes from when on nothing is for the client's user.
func (c *client) bar(from time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.barred = from
}

// connections is how often the client was let in.
func (c *client) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts.connections
}

// place gives the client's session and its instance; "" if it is connected to none.
func (c *client) place() (session string, instance int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.connected {
		return "", c.instance
	}
	return c.session, c.instance
}
