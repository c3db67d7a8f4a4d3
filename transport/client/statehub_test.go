package client

import (
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
		c := connect(t, i.url(), Options{Transport: way})
		state, err := c.State("s/a")
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Ready(patience(t)); err != nil || !state.Complete() {
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

		version := receipt.Version()
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

// TestStateSurvivesCuts: whatever is cut, and whichever of two instances the client comes to,
// it ends with the broker's map.
func TestStateSurvivesCuts(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		b := membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{name}", State: true}}})
		instances := []*instance{serveOn(t, shared{b}, "", push.Options{}, nil), serveOn(t, shared{b}, "", push.Options{}, nil)}
		hub := instances[0].hub
		balancer := &balancer{instances: instances}
		c := connect(t, "http://balancer.example/push", Options{Transport: way, HTTPClient: clientOver(balancer.dial)})
		state, err := c.State("s/a")
		if err != nil {
			t.Fatal(err)
		}
		has := func() bool {
			messages, _, err := hub.State(t.Context(), "s/a")
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
		}
		for n := range 200 {
			m := push.Message{Topic: "s/a", Key: fmt.Sprint(n % 7), Data: []byte("😀")}
			change := hub.Append
			switch n % 5 {
			case 2:
				change = hub.Set
			case 4:
				change, m.Data = hub.Delete, nil
			}
			if _, err := change(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			switch n % 20 {
			case 3:
				balancer.cut() // with changes on their way
			case 19:
				testaid.Eventually(t, "the broker's map", has)
			}
		}
		if n := balancer.connections(); n < 5 {
			t.Errorf("only %d connections", n)
		}
	})
}
