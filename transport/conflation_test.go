//go:build unix

package transport_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/ws"
)

var (
	mirrors  = flag.Int("mirrors", 20, "how many clients TestConflation has; a tenth of them reads slowly")
	mirrored = flag.Duration("mirrored", 500*time.Millisecond, "for how long TestConflation changes a state")
)

const (
	conflatedKeys = 1000
	conflatedRate = 10_000  // changes a second
	slowRate      = 100_000 // bytes a second that a slow client reads
)

// mirroring is a client that mirrors a state.
type mirroring struct {
	conn *rawclient.Conn
	rate int // bytes a second; 0 is as fast as it can

	mu      sync.Mutex
	values  map[string]json.RawMessage
	changes int
	bytes   int
	err     error
}

func (m *mirroring) run() {
	if m.rate > 0 {
		m.conn.Buffer.Reset(&throttled{m.conn.Conn, m.rate, time.Now(), 0})
	}
	for {
		first, payload, err := m.conn.Frame()
		switch {
		case err != nil:
			return
		case first&0xF == rawclient.Text: // not a ping
			m.apply(payload)
		}
	}
}

func (m *mirroring) apply(payload []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += len(payload)
	var f struct {
		Changes []struct {
			Key, Op string
			Data    json.RawMessage
		}
	}
	if err := json.Unmarshal(payload, &f); err != nil {
		m.err = err
	}
	for _, c := range f.Changes {
		m.changes++
		m.values[c.Key] = c.Data
	}
}

// has reports whether the client has these values.
func (m *mirroring) has(want map[string][]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.values) != len(want) {
		return false
	}
	for key, value := range want {
		if !bytes.Equal(m.values[key], value) {
			return false
		}
	}
	return true
}

// throttled reads so many bytes a second.
type throttled struct {
	io.Reader
	rate  int
	since time.Time
	read  int
}

func (r *throttled) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), 4<<10)])
	r.read += n
	due := r.since.Add(time.Duration(r.read) * time.Second / time.Duration(r.rate))
	time.Sleep(time.Until(due)) //clock:real a slow network
	return n, err
}

// TestConflation changes a thousand keys ten thousand times a second, for clients of which
// a tenth reads 100 kB a second: none is cut, what waits for one is less than the map, and
// in the end all have the newest value of every key.
func TestConflation(t *testing.T) {
	if *mirrors > 500 {
		raiseLimit(t, 2**mirrors+1000)
	}
	b := membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
	hub := push.New(b, push.Options{Authorize: push.Anyone, Limits: push.Limits{PerAddress: -1, PerUser: -1}})
	server := httptest.NewServer(ws.New(hub))
	var running sync.WaitGroup
	clients := make([]*mirroring, *mirrors)
	for i := range clients {
		conn := rawclient.DialPath(t, server, "/?state=prices")
		if err := conn.SetDeadline(time.Time{}); err != nil { // the test waits for them itself
			t.Fatal(err)
		}
		clients[i] = &mirroring{conn: conn, values: map[string]json.RawMessage{}}
		if i%10 == 0 {
			clients[i].rate = slowRate
		}
		running.Go(clients[i].run)
	}
	before, begun := usedProcessor(), time.Now()
	want, held := changeState(t, hub)
	lasted := time.Since(begun) //clock:real what is measured
	for i, c := range clients {
		testaid.Eventually(t, fmt.Sprint("client ", i, " has the newest values"), func() bool { return c.has(want) })
	}
	converged := time.Since(begun) - lasted //clock:real what is measured
	used := usedProcessor() - before

	var told, slowTold, fast, slow, wire int
	for _, c := range clients {
		c.mu.Lock()
		wire += c.bytes
		if c.rate > 0 {
			slow, slowTold = slow+1, slowTold+c.changes
		} else {
			fast, told = fast+1, told+c.changes
		}
		if c.err != nil {
			t.Error(c.err)
		}
		c.mu.Unlock()
	}
	stats := hub.Stats()
	if stats.Sessions != len(clients) {
		t.Errorf("%d of %d clients are left", stats.Sessions, len(clients))
	}
	each := held.Load() / int64(len(clients))
	if each > stats.States {
		t.Errorf("%d bytes waited for a client, the map has %d", each, stats.States)
	}
	changes := int(conflatedRate * mirrored.Seconds())
	t.Logf("%d changes in %v to %d clients; a fast one got %d, a slow one %d; all had all %v after the last", changes, lasted.Round(time.Millisecond), len(clients), told/max(1, fast), slowTold/max(1, slow), converged.Round(time.Millisecond))
	t.Logf("%v of CPU, clients included: %v for each change told, %d bytes; at most %d bytes waited for a client, the map counts for %d", used.Round(time.Millisecond), used/time.Duration(told+slowTold), wire/(told+slowTold), each, stats.States)

	for _, c := range clients {
		c.conn.Close()
	}
	running.Wait()
	server.Close()
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// changeState changes all keys, at a pace, and returns what they are then, and the most that
// waited for clients meanwhile.
func changeState(t *testing.T, hub *push.Hub) (want map[string][]byte, held *atomic.Int64) {
	t.Helper()
	want, held = map[string][]byte{}, new(atomic.Int64)
	n := 0
	for begun := time.Now(); time.Since(begun) < *mirrored; { //clock:real changes come at a pace
		for due := int(time.Since(begun).Seconds() * conflatedRate); n < due; n++ { //clock:real changes come at a pace
			key := fmt.Sprint("key", n*7919%conflatedKeys)
			value := fmt.Appendf(nil, `{"price":%d,"of":"%040d"}`, n, n)
			want[key] = value
			_, err := hub.Set(t.Context(), push.Message{Topic: "prices", Key: key, Data: value, Encoding: push.EncodingJSON, Op: broker.OpSet})
			if err != nil {
				t.Fatal(err)
			}
		}
		stats := hub.Stats()
		held.Store(max(held.Load(), stats.Memory-stats.States))
		time.Sleep(time.Millisecond) //clock:real changes come at a pace
	}
	return want, held
}
