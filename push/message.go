package push

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
)

// Message is one message of a topic. Topic and Data are what a publisher
// needs to set.
//
// A message that a broker hands out is shared by all who got it: nobody may
// change it or its Data.
type Message struct {
	// ID names the message, for a safe retry: publishing again with the same
	// ID stores it once. 1 to 128 bytes of visible ASCII; if empty, Publish
	// makes it a UUIDv7, which clients are not told.
	ID string
	// Topic is where it belongs; see [broker.CheckTopic].
	Topic string
	// Event is the event's name, which EventSource listeners choose by. May be
	// empty. At most 100 printable bytes, not starting with "tidewire.".
	Event string
	// Key says what the message is about within its topic (a row, an order). In a state
	// topic it is the key that is changed; in a log it may be empty. At most 200 printable
	// bytes.
	Key string
	// Data is the payload; Encoding says what its bytes are.
	Data []byte
	// Header is for the services behind the broker, such as the context of a trace:
	// it is stored with the message, and no client is told. May be nil. At most 1 KiB,
	// names and values together; not part of what a message with the same ID must
	// have in common with the first.
	Header map[string]string
	// TTL is how long a key stays after OpSet, OpAppend and OpTouch: then it is deleted,
	// for every client. Zero is as the topic's rule says, negative for ever. In a message
	// that was received it is what came of that, and zero for ever.
	TTL time.Duration
	// IfVersion makes a change hold only if the key is at this version, and IfAbsent only
	// if there is no such key. A version is the Epoch and the Offset of a change's Position:
	// in its Receipt, or in a message of Hub.State.
	IfVersion broker.Version
	IfAbsent  bool
	// Op is what the message does to a state topic; see [StatePublisher], whose methods
	// set it. The zero value is for logs.
	Op broker.Op
	// Encoding is what the bytes of Data are: text, unless it is set.
	Encoding Encoding
	// Replicated asks Publish to return nil only once a replica of the broker's
	// store has the message too. If none has confirmed it in time, or there is
	// none, the error is CodeNotReplicated and the receipt is valid all the same:
	// the message is stored and on its way. It isn't part of what is stored.
	Replicated bool

	reserved bool // the hub's own, to a topic with a reserved name

	// The rest is set by the broker. The fields are in an order that leaves few gaps, because
	// each message of a history is a Message.

	// Named says that the ID is the publisher's own.
	Named bool
	// TellTime says that clients are told Time.
	TellTime bool
	// PreviousTag is the tag of the message before, so that a break in the chain
	// shows; at offset 1 it is 0.
	PreviousTag uint32
	// Position is the message's place in its topic.
	broker.Position
	// Start is how long the value of the key was before an OpAppend, in UTF-16 units: the
	// value is its first so many units, and the data.
	Start int
	// Time is when the broker took the message. It orders nothing.
	Time time.Time
}

// Size is what the message counts for against bounds in bytes: its parts and a
// fixed sum for its bookkeeping.
func (m *Message) Size() int {
	return len(m.Data) + len(m.Topic) + len(m.ID) + len(m.Event) + len(m.Key) + m.headerSize() + messageOverhead
}

func (m *Message) headerSize() (size int) {
	for name, value := range m.Header {
		size += len(name) + len(value)
	}
	return size
}

const messageOverhead = 128

// Prepare makes a message ready to be stored, for brokers: it is PrepareTopic and
// CheckParts. The Error it returns is CodeBadRequest or CodeTooLarge.
func (m *Message) Prepare(limit int) error {
	if err := m.PrepareTopic(); err != nil {
		return err
	}
	return m.CheckParts(limit)
}

// PrepareTopic is what Prepare does for each topic of a message that is published to many:
// it checks the topic's name, and gives the message an ID if it has none. The Error it
// returns is CodeBadRequest.
func (m *Message) PrepareTopic() error {
	check := broker.CheckTopic
	if m.reserved {
		check = broker.CheckAnyTopic
	}
	if err := check(m.Topic); err != nil {
		return AsError(err)
	}
	m.Named = m.ID != ""
	if !m.Named {
		m.ID = newID().String()
	}
	return nil
}

// Check is Prepare for a message that was stored, for brokers that can't be sure of
// their store: it may be of a topic with a reserved name, and gets no ID.
func (m *Message) Check(limit int) error {
	if err := broker.CheckAnyTopic(m.Topic); err != nil {
		return AsError(err)
	}
	return m.CheckParts(limit)
}

// CheckParts checks every part that the publisher set but the topic, strips white space from
// JSON, and refuses more than limit bytes of data. The Error it returns is CodeBadRequest or
// CodeTooLarge.
func (m *Message) CheckParts(limit int) error {
	if err := broker.CheckEvent(m.Event); err != nil {
		return AsError(err)
	}
	if err := broker.CheckKey(m.Key); err != nil {
		return AsError(err)
	}
	if err := broker.CheckID(m.ID); err != nil {
		return AsError(err)
	}
	if err := m.checkChange(); err != nil {
		return err
	}
	if m.headerSize() > maxHeader {
		return NewError(CodeTooLarge, "a message has at most 1024 bytes of header", nil)
	}
	data, err := m.Encoding.Normalize(m.Data)
	if err != nil {
		return err
	}
	if m.Data = data; len(data) > limit {
		return NewError(CodeTooLarge, fmt.Sprintf("a message has at most %d bytes of data here", limit), nil)
	}
	return nil
}

// checkChange checks what only changes of states have.
func (m *Message) checkChange() error {
	switch {
	case m.Op == broker.OpPublish && m.IfVersion == (broker.Version{}) && !m.IfAbsent && m.TTL == 0:
		return nil
	case m.Op == broker.OpPublish || m.Op > broker.OpTouch:
		return errNoChange
	case m.Key == "":
		return NewError(CodeBadRequest, "a change needs a key", nil)
	case m.Event != "":
		return NewError(CodeBadRequest, "a change has no event", nil)
	case m.Op == broker.OpAppend && m.Encoding != EncodingText:
		return NewError(CodeBadRequest, "only text can be appended", nil)
	case m.Op >= broker.OpDelete && len(m.Data) > 0:
		return NewError(CodeBadRequest, "only set and append have data", nil)
	case m.IfAbsent && (m.IfVersion != (broker.Version{}) || m.Op >= broker.OpDelete):
		return NewError(CodeBadRequest, "a key that isn't there has no version, and can't be deleted or touched", nil)
	}
	return nil
}

var errNoChange = NewError(CodeBadRequest, "a condition and a time to live are for the changes of states", nil)

// maxHeader is how long the header of a message may be, in bytes.
const maxHeader = 1 << 10

// newID makes a UUIDv7 (RFC 9562 section 5.7): the milliseconds of now, and 74
// random bits. An ID must be unique but is no secret, so the process' own random
// source does, which needs neither a lock nor a call of the system.
func newID() uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|7<<12|rand.Uint64()>>52)
	binary.BigEndian.PutUint64(id[8:], 2<<62|rand.Uint64()>>2)
	return id
}

// Version is that of a key of a state topic, as [Hub.State] returns it; see
// [Message.IfVersion].
func (m *Message) Version() broker.Version {
	return broker.Version{Epoch: m.Epoch, Offset: m.Offset}
}

// Follows reports whether m is the message that comes right after p.
func (m *Message) Follows(p broker.Position) bool {
	return m.Epoch == p.Epoch && m.Offset == p.Offset+1 && m.PreviousTag == p.Tag
}
