package session

import (
	"sync/atomic"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Frame is one thing to be written to a client, encoded for the wire. The same
// frame goes to every client with the same [Format]; nobody changes it. It belongs to one
// hub, unless it is a Client.Heartbeat.
type Frame struct {
	// Bytes are what is written.
	Bytes []byte
	// Topic and Cursor are set if the frame moves the client's place in a topic:
	// Cursor is the topic's cursor from this frame on.
	Topic  string
	Cursor string

	keepers atomic.Int32 // for whom it is counted; see memory
	arrived stamp        // when its message came; zero if that isn't live
}

// size is what the frame counts for against Options.QueueMessages.
func (f *Frame) size() int { return len(f.Bytes) + frameOverhead }

const frameOverhead = 64

// Format is a wire format: it encodes what the hub tells clients. The hub calls
// Message once for each message and format, not once for each client, and finds
// the clients of one format by comparing with ==, so each transport is a format
// of its own. Its methods may be called by many goroutines.
type Format interface {
	// Message encodes a message. One with no position (a zero Position) was
	// delivered by a transport itself and moves no cursor.
	Message(m *push.Message) *Frame
	// Gap encodes a gap; its frame moves the cursor to g.Now.
	Gap(g broker.Gap) *Frame
	// Reconnect encodes the request to come back elsewhere after so many
	// milliseconds.
	Reconnect(afterMS int) *Frame
}

// StateFormat is a [Format] for clients that may follow state topics. Its methods may be
// called by many goroutines, and keep nothing of what they get.
type StateFormat interface {
	Format
	// State encodes changes of keys of a state topic. A client that has made them all is at
	// the position, and the frame moves its cursor there; the zero Position moves nothing.
	State(topic string, changes []Change, at broker.Position) *Frame
	// Synced encodes that a client has all that was in the topic when it came to it. The
	// frame moves the cursor to the position, and has the whole of it.
	Synced(topic string, at broker.Position) *Frame
	// Reset encodes that what the client has of the topic isn't good any more: it forgets
	// all keys and its place, and gets those that there are, in this epoch, up to the next
	// Synced. A place that another instance can still prove says nothing of a part of them.
	Reset(topic string, reason broker.GapReason, epoch broker.Epoch) *Frame
}

// Change is what becomes of a key of a state topic.
type Change struct {
	Op       broker.Op // OpSet, OpAppend or OpDelete
	Key      string
	Data     []byte        // of OpSet and OpAppend
	Encoding push.Encoding // of Data
	// Start is where Data begins in the value, for OpAppend, in UTF-16 units: the value
	// becomes its first so many units and the data.
	Start int
	// Version is the offset of the key's version, in the topic's epoch; 0 for OpDelete.
	Version uint64
}

// Conn is a transport's end of one client's connection.
type Conn interface {
	// Write sends frames, in order, and keeps none. It returns an error if it can't within the
	// transport's write timeout, and the session ends: as a slow consumer's if the error is
	// os.ErrDeadlineExceeded, otherwise as by Session.Lost. One goroutine calls it at a
	// time, from Open on, and never after End.
	Write(frames []*Frame) error
	// End closes the connection and returns when that is done; it is called once,
	// after the last Write. A reason is for the client; nil means that the
	// client is gone or wants to go.
	End(reason *push.Error)
	// Abort makes a Write or End that is under way return soon, and later Writes fail. It may
	// be called at any time, also after End, when the connection isn't the transport's any more.
	Abort()
}

// Collector is a Conn whose client gets one answer, and asks again for what comes after it.
// Its Client has no Try.
type Collector interface {
	// Idle is called when all that was to be written is, and no replay is left. When it is
	// called what came meanwhile may be being written, and the session may have ended.
	Idle()
}

// TryWriter is a Conn's way to write without waiting.
type TryWriter interface {
	// TryWrite is Write as far as that goes at once. It reports whether all is
	// written; if not, the Conn keeps the rest, and the next Write, which may bring
	// no frames, sends that first. It is never called after End, nor while a Write is
	// under way, and doesn't keep frames.
	TryWrite(frames []*Frame) (all bool, err error)
}
