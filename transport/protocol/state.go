package protocol

import (
	"bytes"
	"encoding/base64"
	"math"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// State encodes changes of the keys of a state topic. At is the topic's cursor after them,
// of which the frame has the part that moves; empty if the frame doesn't move it.
func State(topic string, changes []session.Change, at string) []byte {
	o := appendFrame(make([]byte, 0, stateSize(topic, changes)), TypeState).text("topic", topic)
	o = append(o.field("changes"), '[')
	for i := range changes {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(append(o, '{').change(&changes[i]), '}')
	}
	o = append(o, ']')
	if at != "" {
		o = o.name("at", at[cursor.Constant:])
	}
	return o.end()
}

func (o object) change(c *session.Change) object {
	o = o.text("key", c.Key)
	if c.Op != broker.OpSet {
		o = o.name("op", c.Op.String())
	}
	if c.Op == broker.OpDelete {
		return o
	}
	if c.Op == broker.OpAppend {
		o = o.integer("start", int64(c.Start))
	}
	return o.number("version", c.Version).data(c.Data, c.Encoding)
}

// stateSize is about how much State encodes, and rarely less.
func stateSize(topic string, changes []session.Change) int {
	size := len(`{"type":"state","topic":"","changes":[],"at":"AQIDBP________8P"}`) + len(topic)
	for i := range changes {
		c := &changes[i]
		size += len(`{"key":"","op":"append","start":262144,"version":9007199254740991,"data":""},`) + len(c.Key)
		switch c.Encoding {
		case push.EncodingBinary:
			size += len(`"encoding":"base64",`) + base64.StdEncoding.EncodedLen(len(c.Data))
		case push.EncodingJSON:
			size += len(c.Data)
		default:
			size += textSize(c.Data)
		}
	}
	return size
}

// Synced encodes that a client has all keys of a state topic; cursor is its place, whole.
func Synced(topic string, epoch broker.Epoch, cursor string) []byte {
	return newFrame(TypeSynced).text("topic", topic).name("epoch", epoch.String()).text("cursor", cursor).end()
}

// IsSynced reports whether a frame is what Synced returns.
func IsSynced(frame []byte) bool { return bytes.HasPrefix(frame, syncedStart) }

var syncedStart = []byte(`{"type":"` + TypeSynced + `"`)

// Reset encodes that a client is to forget all keys of a state topic.
func Reset(topic string, reason broker.GapReason, epoch broker.Epoch) []byte {
	return newFrame(TypeReset).text("topic", topic).text("reason", string(reason)).name("epoch", epoch.String()).end()
}

// Change is what becomes of a key of a state topic.
type Change = session.Change

// FromSnapshot is where a client begins that gets all keys of a state topic.
const FromSnapshot = string(session.FromSnapshot)

// StateFrame is what a state, a synced or a reset says of a topic.
type StateFrame struct {
	Topic   string
	Changes []session.Change // of a state
	Epoch   broker.Epoch     // of a synced or a reset
	Reason  broker.GapReason // of a reset
}

// changes reads those of a state.
func (r *reader) changes() (changes []session.Change) {
	parts := make([]value, 0, 8)
	for item, ok := range items(r.object.field("changes")) {
		if !ok || !item.starts('{') {
			r.fail("changes")
			return nil
		}
		entry := reader{object: objectIn(item, parts)}
		changes = append(changes, entry.change())
		if r.err == nil {
			r.err = entry.err
		}
	}
	return changes
}

// change reads the change that an object is.
func (r *reader) change() session.Change {
	c := session.Change{Op: broker.OpSet, Key: r.text("key")}
	if c.Key == "" {
		r.fail("key")
	}
	switch r.text("op") {
	case "":
	case broker.OpAppend.String():
		c.Op = broker.OpAppend
	case broker.OpDelete.String():
		c.Op = broker.OpDelete
		return c
	default:
		r.fail("op")
	}
	c.Version = r.number("version")
	if c.Data, c.Encoding = r.data(); c.Data == nil {
		r.fail("data")
	}
	if c.Op == broker.OpAppend {
		if c.Start = int(min(r.number("start"), math.MaxInt32)); c.Encoding != push.EncodingText {
			r.fail("data")
		}
	}
	return c
}

func (r *reader) number(key string) uint64 {
	n, ok := r.object.field(key).number()
	if !ok {
		r.fail(key)
	}
	return n
}

func (r *reader) epoch(key string) broker.Epoch {
	epoch, err := broker.ParseEpoch(r.text(key))
	if err != nil {
		r.fail(key)
	}
	return epoch
}

// versionError reads the version that a key has; nil if the object doesn't say.
func (r *reader) versionError() *broker.VersionError {
	if r.object.field("version").isNull() {
		return nil
	}
	version, err := broker.ParseVersion(r.text("version"))
	if err != nil {
		r.fail("version")
	}
	return &broker.VersionError{Current: version}
}
