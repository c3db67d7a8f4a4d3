package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// presence keeps who follows the topics of Options.Presence. The members of a topic are the
// keys of a state topic, [broker.MembersTopic], which all instances write to: a member is
// there as long as one of them renews it. So an instance that dies takes its members with
// it, within a lease, and nobody has to count what the others have.
type presence struct {
	// static
	host     *Host
	patterns []broker.Pattern

	mu      sync.Mutex // guards the rest; innermost
	rooms   map[string]*room
	running bool          // a goroutine runs run
	wake    chan struct{} // has an element if there is something to tell
}

// room is the members of a topic on this instance.
type room struct {
	topic   string // of the members
	members map[string]*member
	changed map[string]bool // the members of whom something may have to be told
}

// member is who follows a topic on this instance, by one or more connections.
type member struct {
	connections int
	value       []byte
	told        bool // the broker has it, as far as is known
}

const (
	// memberLease is how long a member stays that no instance renews, and memberRenewal how
	// often they do.
	memberLease   = 10 * time.Second
	memberRenewal = 3 * time.Second
	// memberGrace is how long a member stays after its last connection has gone, so that a
	// page that is loaded again is no leave. It is more than memberRenewal: another instance
	// that has the member renews it meanwhile.
	memberGrace = 5 * time.Second
	// presenceRetry is when what the broker didn't take is tried again.
	presenceRetry = time.Second
	// membersAtOnce is how many joins are told at the same time.
	membersAtOnce = 64
	// maxMemberInfo bounds what Options.Member says of a member, in bytes of JSON.
	maxMemberInfo = 1 << 10
)

func newPresence(h *Host) *presence {
	p := &presence{host: h, rooms: map[string]*room{}, wake: make(chan struct{}, 1)}
	for _, pattern := range h.options.Presence {
		p.patterns = append(p.patterns, broker.MustParsePattern(pattern))
	}
	return p
}

// covers reports whether the members of a topic are kept.
func (p *presence) covers(topic string) bool {
	return slices.ContainsFunc(p.patterns, func(pattern broker.Pattern) bool {
		_, ok := pattern.Match(topic, "")
		return ok
	})
}

// memberKey names a member: a user, or one connection of somebody anonymous. A name that no
// key can have, or that could be taken for another's, is hashed.
func memberKey(s *Session) string {
	user := s.Identity().User
	if user != "" && user[0] != '~' && broker.CheckKey(user) == nil {
		return user
	}
	sum := sha256.Sum256(append([]byte(user+"\x00"), s.id[:]...))
	if user != "" {
		sum = sha256.Sum256([]byte(user))
	}
	return "~" + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// join counts a connection of a member in, of whom this is said.
func (p *presence) join(s *Session, topic string, value []byte) {
	key := memberKey(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[topic]
	if r == nil {
		r = &room{topic: broker.MembersTopic(topic), members: map[string]*member{}, changed: map[string]bool{}}
		p.rooms[topic] = r
	}
	m := r.members[key]
	if m == nil {
		m = &member{value: value}
		r.members[key] = m
	}
	m.connections++
	p.note(r, key)
}

// leave counts a connection of a member out.
func (p *presence) leave(s *Session, topic string) {
	key := memberKey(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[topic]
	r.members[key].connections--
	p.note(r, key)
}

// note has what may have changed of a member told. Called with p.mu held.
func (p *presence) note(r *room, key string) {
	r.changed[key] = true
	if !p.running {
		p.running = true
		p.host.work.Go(p.run)
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// memberValue is what clients are told of a member.
type memberValue struct {
	Since int64           `json:"since"` // when it came, in milliseconds since 1970
	User  string          `json:"user,omitempty"`
	Info  json.RawMessage `json:"info,omitempty"` // what Options.Member says
}

// describe is what clients are told of who they are.
func (h *Host) describe(id push.Identity) []byte {
	v := memberValue{Since: time.Now().UnixMilli(), User: id.User}
	if h.options.Member != nil {
		info, err := guarded(h, func() (any, error) { return h.options.Member(id), nil })
		if err == nil {
			v.Info, err = json.Marshal(info)
		}
		if err == nil && len(v.Info) > maxMemberInfo {
			err = errors.New("it has more than 1024 bytes")
		}
		if err != nil {
			h.warnings.log("push: Options.Member has said what can't be told", "error", shortened(err))
			v.Info = nil
		}
	}
	value, err := json.Marshal(v)
	if err != nil { // the name isn't UTF-8, for which there is a character instead
		return []byte("{}")
	}
	return value
}

// run tells what has changed, and renews what hasn't, as long as there are members.
func (p *presence) run() {
	renewal := time.NewTicker(memberRenewal)
	defer renewal.Stop()
	var retry <-chan time.Time
	for {
		select {
		case <-p.wake:
		case <-retry:
		case <-renewal.C:
			p.renew()
		}
		retry = nil
		if !p.tell() {
			retry = time.After(presenceRetry)
		}
		if p.ended() {
			return
		}
	}
}

// ended reports whether nobody is left, and nothing to tell.
func (p *presence) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, r := range p.rooms {
		if len(r.members) == 0 {
			delete(p.rooms, topic)
		}
	}
	p.running = len(p.rooms) > 0
	return !p.running
}

// tell brings the broker up to date. It reports whether all is told.
func (p *presence) tell() bool {
	all := true
	for _, c := range p.changes() {
		all = p.tellLeft(c) && all
		all = p.tellJoined(c) && all
	}
	return all
}

// roomChange is what is to be told of a room.
type roomChange struct {
	room         *room
	joined, left []string
}

// changes takes what is to be told.
func (p *presence) changes() (all []roomChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rooms {
		c := roomChange{room: r}
		for key := range r.changed {
			m := r.members[key]
			switch {
			case m == nil:
			case m.connections > 0 && !m.told:
				c.joined = append(c.joined, key)
			case m.connections == 0 && m.told:
				c.left = append(c.left, key)
			case m.connections == 0:
				delete(r.members, key)
			}
		}
		clear(r.changed)
		if len(c.joined)+len(c.left) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// tellLeft gives those that have left their grace.
func (p *presence) tellLeft(c roomChange) bool {
	if len(c.left) == 0 {
		return true
	}
	_, err := p.renewAll(c.room.topic, c.left, memberGrace)
	if err != nil && !p.host.isDraining() { // else they end with their lease
		p.failed(c.room, c.left, err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range c.left {
		m := c.room.members[key]
		m.told = false
		if m.connections == 0 {
			delete(c.room.members, key)
		} else {
			p.note(c.room, key) // it has come back
		}
	}
	return true
}

// tellJoined tells of those that have come, many at once.
func (p *presence) tellJoined(c roomChange) bool {
	var failed []string
	var failure error
	for keys := range slices.Chunk(c.joined, membersAtOnce) {
		errs := make([]error, len(keys))
		var wait sync.WaitGroup
		for i, key := range keys {
			wait.Go(func() { errs[i] = p.tellOne(c.room, key) })
		}
		wait.Wait()
		for i, err := range errs {
			if err != nil {
				failed, failure = append(failed, keys[i]), err
			}
		}
	}
	if failure != nil && !p.host.isDraining() {
		p.failed(c.room, failed, failure)
		return false
	}
	return true
}

// tellOne tells of a member that has come. One that is there already, because another
// instance has it or its grace isn't over, stays as it is.
func (p *presence) tellOne(r *room, key string) error {
	p.mu.Lock()
	m := r.members[key]
	value := m.value
	p.mu.Unlock()
	_, err := p.host.change(push.Message{
		Topic: r.topic, Key: key, Op: broker.OpSet, Data: value, Encoding: push.EncodingJSON, TTL: memberLease, IfAbsent: true,
	})
	if errors.Is(err, push.CodeConflict) {
		var gone []string
		gone, err = p.renewAll(r.topic, []string{key}, memberLease)
		if err == nil && len(gone) > 0 {
			err = push.CodeConflict // it has just ended; once more
		}
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m.told = true
	if m.connections == 0 {
		p.note(r, key)
	}
	return nil
}

// failed has what the broker didn't take tried again.
func (p *presence) failed(r *room, keys []string, err error) {
	p.host.warnings.log("push: who follows a topic can't be told", "error", shortened(err))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		r.changed[key] = true
	}
}

// renew renews all members. Those that the broker has lost are told again.
func (p *presence) renew() {
	for _, c := range p.present() {
		gone, err := p.renewAll(c.room.topic, c.joined, memberLease)
		if err != nil {
			p.host.warnings.log("push: who follows a topic can't be renewed", "error", shortened(err))
			continue
		}
		p.mu.Lock()
		for _, key := range gone {
			if m := c.room.members[key]; m != nil {
				m.told = false
				c.room.changed[key] = true
			}
		}
		p.mu.Unlock()
	}
}

// present gives all that the broker has been told of.
func (p *presence) present() (all []roomChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rooms {
		c := roomChange{room: r}
		for key, m := range r.members {
			if m.connections > 0 && m.told {
				c.joined = append(c.joined, key)
			}
		}
		if len(c.joined) > 0 {
			all = append(all, c)
		}
	}
	return all
}

func (p *presence) renewAll(topic string, keys []string, ttl time.Duration) (gone []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.host.options.BrokerTimeout)
	defer cancel()
	return p.host.states.Renew(ctx, topic, keys, ttl)
}

// change changes a state of the hubs' own.
func (h *Host) change(m push.Message) (push.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.options.BrokerTimeout)
	defer cancel()
	return h.hub.PublishReserved(ctx, m)
}

func (h *Host) isDraining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}
