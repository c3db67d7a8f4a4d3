package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
)

// stateFormat writes what a state topic tells as JSON.
type stateFormat struct{ fakeFormat }

type stateFrame struct {
	Kind    string // "state", "synced" or "reset"
	Changes []session.Change
	At      broker.Position
	Epoch   broker.Epoch
	Reason  broker.GapReason
}

func (f *stateFormat) frame(topic string, sf stateFrame) *session.Frame {
	text, err := json.Marshal(sf)
	if err != nil {
		panic(err)
	}
	frame := &session.Frame{Bytes: text}
	if !sf.At.IsZero() {
		frame.Topic, frame.Cursor = topic, cursor.Format(topic, sf.At)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.encoded++
	return frame
}

func (f *stateFormat) State(topic string, changes []session.Change, at broker.Position) *session.Frame {
	return f.frame(topic, stateFrame{Kind: "state", Changes: changes, At: at})
}

func (f *stateFormat) Synced(topic string, at broker.Position) *session.Frame {
	return f.frame(topic, stateFrame{Kind: "synced", At: at})
}

func (f *stateFormat) Reset(topic string, reason broker.GapReason, epoch broker.Epoch) *session.Frame {
	return f.frame(topic, stateFrame{Kind: "reset", Reason: reason, Epoch: epoch})
}

// stateClient is a client of one state topic. It applies what it gets, and notes what breaks
// the promises. Its map and its cursor outlive its connections.
type stateClient struct {
	topic string
	pause func() time.Duration // how long a write takes; nil is at once
	rate  int                  // how many bytes it takes a second; zero doesn't count

	mu       sync.Mutex
	values   map[string]string
	versions map[string]uint64 // of the epoch
	cursor   string
	place    broker.Position
	synced   bool
	resets   int
	frames   int
	changes  int
	bytes    int
	faults   []string
	slowest  time.Duration    // of all writes
	changed  func(key string) // is called after each change; nil if nobody asks
}

// pauseOf is how long a write takes.
func (c *stateClient) pauseOf(frames []*session.Frame) (pause time.Duration) {
	if c.pause != nil {
		pause = c.pause()
	}
	if c.rate > 0 {
		for _, f := range frames {
			pause += time.Duration(len(f.Bytes)) * time.Second / time.Duration(c.rate)
		}
	}
	return pause
}

func newStateClient() *stateClient {
	return &stateClient{topic: "s/a", values: map[string]string{}, versions: map[string]uint64{}}
}

func (c *stateClient) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func (c *stateClient) apply(text []byte) {
	var f stateFrame
	if err := json.Unmarshal(text, &f); err != nil {
		return // the announcement
	}
	c.frames++
	switch f.Kind {
	case "reset":
		c.values, c.versions, c.synced = map[string]string{}, map[string]uint64{}, false
		c.place, c.cursor = broker.Position{}, ""
		c.resets++
	case "synced":
		c.synced = true
	}
	for _, change := range f.Changes {
		c.change(change)
	}
	if !f.At.IsZero() {
		if !c.place.IsZero() && !f.At.Reaches(c.place) {
			c.fault("the cursor goes back from %v to %v", c.place, f.At)
		}
		c.place, c.cursor = f.At, cursor.Format(c.topic, f.At)
	}
}

func (c *stateClient) change(change session.Change) {
	c.changes++
	if change.Op == broker.OpDelete {
		delete(c.values, change.Key)
		return
	}
	if last := c.versions[change.Key]; change.Version < last {
		c.fault("%s goes back from version %d to %d", change.Key, last, change.Version)
	}
	c.versions[change.Key] = change.Version
	value := string(change.Data)
	if change.Op == broker.OpAppend {
		units := utf16.Encode([]rune(c.values[change.Key]))
		if change.Start > len(units) {
			c.fault("%s: a piece begins at %d of %d", change.Key, change.Start, len(units))
			return
		}
		value = string(utf16.Decode(units[:change.Start])) + value
	}
	c.values[change.Key] = value
	if c.changed != nil {
		c.changed(change.Key)
	}
}

// stateConn is one connection of a client.
type stateConn struct {
	client *stateClient
	cut    chan struct{}
	once   sync.Once
}

func (c *stateConn) Write(frames []*session.Frame) error {
	if pause := c.client.pauseOf(frames); pause > 0 {
		c.client.slowest = max(c.client.slowest, pause)
		select {
		case <-time.After(pause): //clock:virtual
		case <-c.cut:
			return push.CodeTimeout
		}
	}
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	for _, f := range frames {
		select {
		case <-c.cut: // what is on its way is lost
			return push.CodeTimeout
		default:
		}
		c.client.bytes += len(f.Bytes)
		c.client.apply(f.Bytes)
	}
	return nil
}

func (c *stateConn) TryWrite(frames []*session.Frame) (bool, error) { return true, c.Write(frames) }
func (c *stateConn) End(*push.Error)                                {}
func (c *stateConn) Abort()                                         { c.once.Do(func() { close(c.cut) }) }

// follow connects the client with its cursor.
func (w *world) followState(format *stateFormat, c *stateClient) (*session.Session, *stateConn) {
	w.t.Helper()
	conn := &stateConn{client: c, cut: make(chan struct{})}
	opened := session.Client{Format: format, Conn: conn}
	if c.pause == nil && c.rate == 0 {
		opened.Try = conn
	}
	s, err := session.Of(w.hub).Open(opened)
	if err != nil {
		w.t.Fatal(err)
	}
	c.mu.Lock()
	since := c.cursor
	if since == "" {
		c.values, c.versions = map[string]string{}, map[string]uint64{}
	}
	c.synced = false
	c.mu.Unlock()
	s.Subscribe(w.t.Context(), []session.Follow{{Topic: c.topic, Since: since, State: true}}, hello)
	return s, conn
}

// wantMap fails unless the client has what the broker has, and is where it is, and has seen no
// fault.
func (w *world) wantMap(name string, c *stateClient) {
	w.t.Helper()
	want := w.stateOf("s/a")
	head, err := w.hub.Cursor(w.t.Context(), "s/a")
	if err != nil {
		w.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, fault := range c.faults {
		w.t.Errorf("%s: %s", name, fault)
	}
	if !c.synced {
		w.t.Errorf("%s isn't synced", name)
	}
	if at, _ := cursor.Parse(head); c.place != positionOf(at, c.topic) {
		w.t.Errorf("%s is at %v, and the state at %v", name, c.place, positionOf(at, c.topic))
	}
	if !maps.Equal(c.values, want) {
		w.t.Errorf("%s has %d keys %.300v, want %d %.300v", name, len(c.values), c.values, len(want), want)
	}
}

func positionOf(c cursor.Cursor, topic string) broker.Position {
	at, _ := c.Position(topic)
	return at
}

func (w *world) stateOf(topic string) map[string]string {
	w.t.Helper()
	entries, _, err := w.hub.State(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	values := map[string]string{}
	for _, e := range entries {
		values[e.Key] = string(e.Data)
	}
	return values
}

// change makes one random change.
func (w *world) randomChange(ctx context.Context, r *rand.Rand, keys int) {
	m := push.Message{Topic: "s/a", Key: fmt.Sprint("k", r.IntN(keys))}
	var err error
	switch n := r.IntN(10); {
	case n < 5:
		m.Data = fmt.Append(nil, r.IntN(1e6), " ü😀")
		_, err = w.hub.Set(ctx, m)
	case n < 8:
		m.Data = []byte([]string{"a", "ö", "😀", "xyz"}[r.IntN(4)])
		_, err = w.hub.Append(ctx, m)
	default:
		_, err = w.hub.Delete(ctx, m)
	}
	if err != nil {
		w.t.Error(err)
	}
}
