package push_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

func newStateHub(t *testing.T) *push.Hub {
	t.Helper()
	hub := push.New(membroker.New(membroker.Options{Topics: []push.TopicRule{{Pattern: "s/{x}", State: true}}}), push.Options{})
	t.Cleanup(func() { shutdown(t, hub) })
	return hub
}

// TestUpdateLosesNothing has many count at once.
func TestUpdateLosesNothing(t *testing.T) {
	hub := newStateHub(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				_, err := hub.Update(t.Context(), "s/a", "count", func(old *push.Message) (push.Message, error) {
					n := 0
					if old != nil {
						n, _ = strconv.Atoi(string(old.Data))
					}
					return push.Message{Data: []byte(strconv.Itoa(n + 1))}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	entries, _, err := hub.State(t.Context(), "s/a")
	if err != nil || len(entries) != 1 || string(entries[0].Data) != "400" {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestUpdateMayDecline: an error of the application changes nothing.
func TestUpdateMayDecline(t *testing.T) {
	hub := newStateHub(t)
	enough := errors.New("enough")
	_, err := hub.Update(t.Context(), "s/a", "k", func(*push.Message) (push.Message, error) { return push.Message{}, enough })
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if entries, _, _ := hub.State(t.Context(), "s/a"); len(entries) != 0 {
		t.Errorf("%v", entries)
	}
}

// TestChangesAreChecked: what isn't a change of a state is refused, whatever the broker.
func TestChangesAreChecked(t *testing.T) {
	hub := newStateHub(t)
	version := broker.Version{Epoch: 1, Offset: 1}
	set := func(m push.Message) error { _, err := hub.Set(t.Context(), m); return err }
	for name, test := range map[string]struct {
		err  error
		want push.Code
	}{
		"no key":             {set(push.Message{Topic: "s/a"}), push.CodeBadRequest},
		"an event":           {set(push.Message{Topic: "s/a", Key: "k", Event: "e"}), push.CodeBadRequest},
		"both conditions":    {set(push.Message{Topic: "s/a", Key: "k", IfAbsent: true, IfVersion: version}), push.CodeBadRequest},
		"a log":              {set(push.Message{Topic: "log", Key: "k"}), push.CodeWrongKind},
		"another version":    {set(push.Message{Topic: "s/a", Key: "k", IfVersion: version}), push.CodeConflict},
		"a condition, a log": {publish(t, hub, push.Message{Topic: "log", IfAbsent: true}), push.CodeBadRequest},
		"a state, published": {publish(t, hub, push.Message{Topic: "s/a"}), push.CodeWrongKind},
		"JSON appended": {func() error {
			_, err := hub.Append(t.Context(), push.Message{Topic: "s/a", Key: "k", Data: []byte("1"), Encoding: push.EncodingJSON})
			return err
		}(), push.CodeBadRequest},
		"data deleted": {func() error {
			_, err := hub.Delete(t.Context(), push.Message{Topic: "s/a", Key: "k", Data: []byte("1")})
			return err
		}(), push.CodeBadRequest},
		"the state of a log":  {func() error { _, _, err := hub.State(t.Context(), "log"); return err }(), push.CodeWrongKind},
		"the last of a state": {func() error { _, _, err := hub.Recent(t.Context(), "s/a", 1); return err }(), push.CodeWrongKind},
		"members of a state":  {func() error { _, err := hub.Members(t.Context(), "tidewire.x"); return err }(), push.CodeBadRequest},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %s", name, test.err, test.want)
		}
	}
}

func publish(t *testing.T, hub *push.Hub, m push.Message) error {
	t.Helper()
	_, err := hub.Publish(t.Context(), m)
	return err
}
