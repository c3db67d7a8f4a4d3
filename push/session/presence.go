package session

import (
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
	changed map[*room]bool // in which something may have to be told
	behind  bool           // the broker has refused something
	running bool           // a goroutine runs run
	wake    chan struct{}  // has an element if there is something to tell
}

// room is the members of a topic on this instance.
type room struct {
	of      string // the topic that they follow
	topic   string // of the members
	members map[string]*member
	changed map[string]bool // the members of whom something may have to be told
	full    bool            // the broker takes no more members; set while changes are told
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
	// presenceCalls is how many calls of the broker are under way at most.
	presenceCalls = 64
	// maxMemberInfo bounds what Options.Member says of a member, in bytes of JSON, and
	// maxMemberName the names that are told.
	maxMemberInfo = 1 << 10
	maxMemberName = 1 << 10
)

func newPresence(h *Host) *presence {
	p := &presence{host: h, rooms: map[string]*room{}, changed: map[*room]bool{}, wake: make(chan struct{}, 1)}
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
		r = &room{of: topic, topic: broker.MembersTopic(topic), members: map[string]*member{}, changed: map[string]bool{}}
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
	r.changed[key], p.changed[r] = true, true
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
	if len(v.User) > maxMemberName {
		v.User = ""
	}
	if h.options.Member != nil {
		info, err := guarded(h, func() ([]byte, error) { return memberInfo(h.options.Member(id)) })
		if err != nil {
			h.warnings.log("push: Options.Member has said what can't be told", "error", shortened(err))
		}
		v.Info = info
	}
	value, err := json.Marshal(v)
	if err != nil { // it is a number, a string and JSON
		return []byte("{}")
	}
	return value
}

// memberInfo encodes what Options.Member has said; nil if that is nothing.
func memberInfo(said any) ([]byte, error) {
	if said == nil {
		return nil, nil
	}
	info, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	if len(info) > maxMemberInfo {
		return nil, errors.New("it has more than 1024 bytes")
	}
	if _, err := push.EncodingJSON.Normalize(slices.Concat([]byte("["), info, []byte("]"))); err != nil { // as deep as in a value
		return nil, err
	}
	return info, nil
}
