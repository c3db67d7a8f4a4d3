package ws

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/protocol"
)

// pings are how a server asks whether a client lives, and how that answers.
var pings = map[string]struct{ ping, pong string }{
	protocol.Subprotocol: {`{"type":"ping"}`, string(rawclient.Fin(rawclient.Text, `{"type":"pong"}`))},
	"":                   {"", string(rawclient.Fin(rawclient.Pong, ""))},
}

// answer answers pings that the guest has got since a number of frames, and gives how
// many there are now.
func (g *guest) answer(t *testing.T, subprotocol string, since int) int {
	t.Helper()
	got := g.frames()
	if slices.Contains(got[since:], pings[subprotocol].ping) {
		if _, err := g.Write([]byte(pings[subprotocol].pong)); err != nil {
			t.Fatal(err)
		}
	}
	return len(got)
}

// TestSilentClientIsDropped has clients that don't answer pings; those that do stay.
func TestSilentClientIsDropped(t *testing.T) {
	for subprotocol := range pings {
		t.Run(subprotocol, func(t *testing.T) {
			within(t, push.Options{}, func(m *inMemory) {
				silent, alive := m.dial("/?topic=a", subprotocol), m.dial("/?topic=a", subprotocol)
				seen := 0
				for range 34 {
					time.Sleep(time.Second)
					seen = alive.answer(m.t, subprotocol, seen)
				}
				m.here(silent)
				for range 40 {
					time.Sleep(time.Second)
					seen = alive.answer(m.t, subprotocol, seen)
				}
				m.ended(silent, push.CodeTimeout)
				m.here(alive)
				if stats := m.hub.Stats(); stats.Sessions != 1 || stats.Closed[push.CodeTimeout] != 1 {
					t.Errorf("stats %+v", stats)
				}
			})
		})
	}
}

// TestSilentClientOnASocketIsDropped is the same for a client that nobody waits for in
// a goroutine.
func TestSilentClientOnASocketIsDropped(t *testing.T) {
	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
	server := httptest.NewServer(New(hub, Options{Heartbeat: 20 * time.Millisecond, PongTimeout: 20 * time.Millisecond}))
	defer server.Close()
	rawclient.Dial(t, server, "Sec-WebSocket-Protocol: "+protocol.Subprotocol)
	testaid.Eventually(t, "the end of a silent client", func() bool { return hub.Stats().Closed[push.CodeTimeout] == 1 })
	if err := hub.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestSlowReceiveIsNotTheClientsSilence has a hook that takes longer than the client
// may be silent. Nobody reads meanwhile.
func TestSlowReceiveIsNotTheClientsSilence(t *testing.T) {
	options := push.Options{Receive: func(context.Context, push.Inbound) (push.Reply, error) {
		time.Sleep(time.Minute) //clock:virtual
		return push.Reply{Data: []byte("done")}, nil
	}}
	within(t, options, func(m *inMemory) {
		g := m.dial("/", protocol.Subprotocol)
		if _, err := g.Write(rawclient.Fin(rawclient.Text, `{"type":"send","id":1,"topic":"a","data":"x"}`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		m.here(g)
		if _, err := g.Write(rawclient.Fin(rawclient.Text, `{"type":"subscribe","id":2,"topics":[{"topic":"a"}]}`)); err != nil {
			t.Fatal(err)
		}
		m.here(g)
		got := strings.Join(g.frames(), "")
		for _, want := range []string{`{"type":"reply","id":1,"data":"done"}`, `{"type":"subscribed","id":2`} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}
