package push

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
)

// users is what hubs ask each other about the connections of users.
type users struct {
	hub *Hub // static
	id  string

	mu      sync.Mutex // guards the rest
	answers map[string]int
}

const (
	disconnectEvent = "disconnect"
	countEvent      = "count"
	tallyEvent      = "tally"
	// countTime is how long the other hubs have to answer.
	countTime = 300 * time.Millisecond
)

// disconnection asks clients to come back.
type disconnection struct {
	User    string    `json:"user,omitempty"`
	Session uuid.UUID `json:"session"`
}

// count asks how many connections a user has, and tally answers.
type count struct {
	Hub      string `json:"hub"`
	Question string `json:"question"`
	User     string `json:"user"`
}

type tally struct {
	Question    string `json:"question"`
	Connections int    `json:"connections"`
}

func newUsers(h *Hub) *users {
	u := &users{hub: h, id: uuid.NewString(), answers: map[string]int{}}
	h.bus.on(disconnectEvent, u.onDisconnect)
	h.bus.on(countEvent, u.onCount)
	h.bus.on(tallyEvent, u.onTally)
	return u
}

// Disconnect ends the connections of a user, on every instance, and asks their clients to
// come back: what is queued is dropped, they come with their cursors, and are identified and
// authorized again. They lose nothing, and nobody is kept out; see [Hub.Revoke] for that.
func (h *Hub) Disconnect(ctx context.Context, user string) error {
	if user == "" || !utf8.ValidString(user) {
		return errUser
	}
	return h.users.tell(ctx, disconnectEvent, disconnection{User: user})
}

// errUser is of names that nobody has, or that other hubs would take for another's.
var errUser = NewError(CodeBadRequest, "a user has a name, in UTF-8", nil)

// DisconnectSession is Disconnect for one session, on whatever instance it is. Its ID goes to
// all instances in the clear. A party that reads the broker's traffic, and has recorded it,
// can open the identity by which the session was refreshed through another instance, and
// nothing else: the session ends.
func (h *Hub) DisconnectSession(ctx context.Context, session string) error {
	id, err := uuid.Parse(session)
	if err != nil {
		return NewError(CodeBadRequest, "this is no ID of a session", err)
	}
	return h.users.tell(ctx, disconnectEvent, disconnection{Session: id})
}

// Connections counts the connections of a user: those here, and those of the instances that
// answer within 300 ms. With zero it is time to reach the user by other means, such as a
// mail. The error says that the others can't be asked; what is known is counted all the
// same.
func (h *Hub) Connections(ctx context.Context, user string) (int, error) {
	here := h.connections(user)
	if _, alone := h.broker.(broker.NonBlocking); alone || user == "" {
		return here, nil
	}
	if !utf8.ValidString(user) {
		return here, errUser
	}
	elsewhere, err := h.users.ask(ctx, user)
	return here + elsewhere, err
}

// connections counts those of a user on this instance.
func (h *Hub) connections(user string) int {
	sessions := h.attached()
	if sessions == nil || user == "" {
		return 0
	}
	return sessions.Connections(user)
}

func (u *users) ask(ctx context.Context, user string) (int, error) {
	question := uuid.NewString()
	u.mu.Lock()
	u.answers[question] = 0
	u.mu.Unlock()
	err := u.hub.bus.begin(ctx)
	if err == nil {
		err = u.tell(ctx, countEvent, count{u.id, question, user})
	}
	if err == nil {
		select {
		case <-time.After(countTime):
		case <-ctx.Done():
			err = AsError(ctx.Err())
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.answers[question]
	delete(u.answers, question)
	return n, err
}

// tell tells all hubs.
func (u *users) tell(ctx context.Context, event string, what any) error {
	data, err := json.Marshal(what)
	if err != nil {
		return AsError(err)
	}
	ctx, cancel := u.hub.deadline(ctx)
	defer cancel()
	return u.hub.bus.tell(ctx, event, data)
}

func (u *users) onDisconnect(data []byte) {
	var r disconnection
	sessions := u.hub.attached()
	if json.Unmarshal(data, &r) != nil || sessions == nil {
		return
	}
	u.hub.work.Go(func() { sessions.SendBack(r.User, r.Session) })
}

func (u *users) onCount(data []byte) {
	var c count
	if json.Unmarshal(data, &c) != nil || c.Hub == u.id {
		return
	}
	n := u.hub.connections(c.User)
	if n == 0 {
		return
	}
	u.hub.work.Go(func() {
		err := u.tell(context.Background(), tallyEvent, tally{c.Question, n})
		if err != nil && !errors.Is(err, CodeUnavailable) {
			u.hub.options.Logger.Warn("push: another instance can't be told of a user's connections", "error", err)
		}
	})
}

func (u *users) onTally(data []byte) {
	var t tally
	if json.Unmarshal(data, &t) != nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, asked := u.answers[t.Question]; asked {
		u.answers[t.Question] += t.Connections
	}
}
