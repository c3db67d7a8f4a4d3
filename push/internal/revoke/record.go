// Package revoke has what a hub knows of revocations: records, as they are stored and told, and
// a table of those that hold.
package revoke

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
)

// Subject is what a record is about: a user, a session, a topic, or a user and a topic.
type Subject struct {
	User    string    `json:"user,omitempty"`
	Session uuid.UUID `json:"session,omitzero"`
	Topic   string    `json:"topic,omitempty"`
}

// Record is a revocation or its end. Of two about the same the later holds.
type Record struct {
	Subject
	At       time.Time `json:"at"`  // in microseconds, by the clock of who decided
	For      int64     `json:"for"` // how long it holds, in milliseconds
	Restored bool      `json:"restored,omitempty"`

	Until time.Time `json:"-"` // on this instance's clock
}

// Forever is longer than any instance lives.
const Forever = 100 * 365 * 24 * time.Hour

// Version is what the store tells two records about the same apart by.
func (r *Record) Version() uint64 {
	return uint64(min(max(0, r.At.UnixMicro()), broker.MaxOffset))
}

// Left is how long the record holds from now on.
func (r *Record) Left() time.Duration { return time.Until(r.Until) }

// Text is what is stored and told of a record, and the key that it is stored at.
func (r *Record) Text() (key string, value []byte, err error) {
	about, err := json.Marshal(r.Subject)
	if err != nil {
		return "", nil, err
	}
	value, err = json.Marshal(r)
	return string(about), value, err
}

// ParseTold reads the text of a record that was told just now.
func ParseTold(text []byte) (Record, error) {
	var r Record
	err := json.Unmarshal(text, &r)
	r.Until = time.Now().Add(time.Duration(min(max(0, r.For), Forever.Milliseconds()) * int64(time.Millisecond)))
	return r, err
}

// ParseStored reads a record from the store, which knows how long it still holds.
func ParseStored(v broker.Stored) (Record, error) {
	r, err := ParseTold(v.Value)
	r.At = time.UnixMicro(int64(v.Version))
	r.Until = time.Now().Add(min(v.TTL, Forever))
	return r, err
}
