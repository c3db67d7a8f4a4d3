package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// serveStates serves a hub whose topics s/… are states.
func serveStates(t *testing.T) *instance {
	t.Helper()
	rules := []push.TopicRule{{Pattern: "s/{name}", State: true}}
	return serveOn(t, membroker.New(membroker.Options{Topics: rules}), "", push.Options{}, nil)
}

// TestStateIsThatOfTheHub: what publishers change by HTTP a client has, over each transport,
// with the versions that its own changes name.
func TestStateIsThatOfTheHub(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serveStates(t)
		p := publisher(t, i.url(), testKey, PublisherOptions{})
		set := func(m push.Message) (push.Receipt, error) {
			m.Topic = "s/a"
			return p.Set(t.Context(), m)
		}
		if _, err := set(push.Message{Key: "before", Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		c, err := New(i.url(), Options{Transport: way})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		state, err := c.State("s/a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testaid.Patience)
		defer cancel()
		if err := state.Ready(ctx); err != nil || !state.Complete() {
			t.Fatal(err)
		}
		has := func(want map[string]string) {
			t.Helper()
			testaid.Eventually(t, fmt.Sprint(want), func() bool {
				got := map[string]string{}
				for key, v := range state.All() {
					got[key] = string(v.Data)
				}
				return maps.Equal(got, want)
			})
		}
		has(map[string]string{"before": "x"})
		receipt, err := set(push.Message{Key: "px", Data: []byte(`{"a": 1}`), Encoding: push.EncodingJSON, IfAbsent: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range []string{"ab😀", "c"} {
			if _, err := p.Append(t.Context(), push.Message{Topic: "s/a", Key: "log", Data: []byte(piece)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Delete(t.Context(), push.Message{Topic: "s/a", Key: "before"}); err != nil {
			t.Fatal(err)
		}
		has(map[string]string{"px": `{"a":1}`, "log": "ab😀c"})

		version := broker.Version{Epoch: receipt.Position.Epoch, Offset: receipt.Position.Offset}
		if got, ok := state.Get("px"); !ok || got.Version != version || got.Encoding != push.EncodingJSON {
			t.Errorf("%+v, and the receipt is %+v", got, receipt)
		}
		if _, err := set(push.Message{Key: "px", Data: []byte("2"), IfVersion: state.Version("px")}); err != nil {
			t.Error(err)
		}
		_, err = set(push.Message{Key: "px", Data: []byte("3"), IfVersion: version})
		if conflict, ok := errors.AsType[*broker.VersionError](err); !ok || conflict.Current.Offset <= version.Offset || !errors.Is(err, push.CodeConflict) {
			t.Errorf("a change of an older version: %v", err)
		}
		if gone, err := p.Delete(t.Context(), push.Message{Topic: "s/a", Key: "nobody"}); err != nil || !gone.Duplicate {
			t.Errorf("a key that isn't there: %+v, %v", gone, err)
		}
		if _, err := p.Touch(t.Context(), push.Message{Topic: "s/a", Key: "px", TTL: time.Hour}); err != nil {
			t.Error(err)
		}
		if _, err := p.Touch(t.Context(), push.Message{Topic: "s/a", Key: "nobody"}); !errors.Is(err, push.CodeConflict) {
			t.Errorf("a touch of a key that isn't there: %v", err)
		}
		if _, err := p.Publish(t.Context(), push.Message{Topic: "s/a", Data: []byte("x")}); !errors.Is(err, push.CodeWrongKind) {
			t.Errorf("a message to a state: %v", err)
		}
		has(map[string]string{"px": "2", "log": "ab😀c"})
	})
}

// TestStateSurvivesCuts: whatever is cut, the client ends with the hub's map.
func TestStateSurvivesCuts(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		i := serveStates(t)
		c, err := New(i.url(), Options{Transport: way, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		state, err := c.State("s/a")
		if err != nil {
			t.Fatal(err)
		}
		for n := range 200 {
			m := push.Message{Topic: "s/a", Key: fmt.Sprint(n % 7), Data: []byte("😀")}
			change := []func(context.Context, push.Message) (push.Receipt, error){i.hub.Append, i.hub.Append, i.hub.Set, i.hub.Append, i.hub.Delete}[n%5]
			if n%5 == 4 {
				m.Data = nil
			}
			if _, err := change(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if n%20 == 0 {
				i.server.CloseClientConnections()
			}
		}
		testaid.Eventually(t, "the hub's map", func() bool {
			messages, _, err := i.hub.State(t.Context(), "s/a")
			if err != nil {
				t.Fatal(err)
			}
			want, got := map[string]string{}, map[string]string{}
			for _, m := range messages {
				want[m.Key] = fmt.Sprint(string(m.Data), m.Offset)
			}
			for key, v := range state.All() {
				got[key] = fmt.Sprint(string(v.Data), v.Version.Offset)
			}
			return state.Complete() && maps.Equal(got, want)
		})
	})
}
