package ws

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/internal/rawclient"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestPartsOfMessagesCount: a message of which a part has come is in memory, and so it
// counts until it is whole and dealt with. Many of them have a client cut.
func TestPartsOfMessagesCount(t *testing.T) {
	request := []byte(`{"type":"subscribe","id":1,"topics":[` + strings.Repeat(`{"topic":"b"},`, 900) + `{"topic":"b"}]}`)
	message := rawclient.Fin(rawclient.Text, string(request))
	within(t, push.Options{Limits: push.Limits{Memory: 40_000}}, func(m *inMemory) {
		g := m.dial("/?topic=a", protocol.Subprotocol)
		if _, err := g.Write(message[:10_000]); err != nil {
			t.Fatal(err)
		}
		m.here(g)
		if counted := m.hub.Stats().Memory; counted < 10_000 || counted > 20_000 {
			t.Errorf("%d bytes are counted for 10,000", counted)
		}
		if _, err := g.Write(message[10_000:]); err != nil {
			t.Fatal(err)
		}
		m.here(g)
		if counted := m.hub.Stats().Memory; counted != 0 {
			t.Errorf("%d bytes are counted for nothing", counted)
		}

		var guests []*guest
		for range 5 {
			other := m.dial("/?topic=a", protocol.Subprotocol)
			if _, err := other.Write(message[:10_000]); err != nil && !errors.Is(err, net.ErrClosed) && m.hub.Stats().Shed == 0 {
				t.Fatal(err)
			}
			guests = append(guests, other)
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if counted := m.hub.Stats().Memory; counted > 40_000 {
				t.Errorf("%d bytes are counted", counted)
			}
		}
		if m.hub.Stats().Shed == 0 {
			t.Error("nobody was cut")
		}
		m.here(g)
		for _, other := range guests {
			other.Close()
		}
	})
}
