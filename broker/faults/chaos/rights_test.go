package main

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestRevokedUserIsServedNothing has a client whose user was revoked and is served as before, or isn't.
func TestRevokedUserIsServedNothing(t *testing.T) {
	early, late := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	tests := []struct {
		name   string
		barred time.Time
		serve  func(c *client) error
		want   int
	}{
		{"a message from after it", early, (*client).getOne, 1},
		{"a message from before it", late, (*client).getOne, 0},
		{"a message for who may", time.Time{}, (*client).getOne, 0},
		{"it is let in", early, func(c *client) error { return c.welcome(nil, "", time.Now()) }, 1},
		{"it was let in before", late, func(c *client) error { return c.welcome(nil, "", time.Now()) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := &violations{}
			l := newLedger(found, []string{"a"})
			v := &view{ledger: l, topic: "a"}
			v.start(at(0))
			c := &client{
				violated: found, views: map[string]*view{"a": v}, cursors: map[string]string{"a": cursor.Format("a", at(0))}, barred: test.barred,
			}
			if err := test.serve(c); err != nil {
				t.Fatal(err)
			}
			if all := found.list(); len(all) != test.want || found.count(trespassed) != test.want {
				t.Errorf("found %+v", all)
			}
		})
	}
}

// getOne publishes a message and gets it.
func (c *client) getOne() error {
	(&script{ledger: c.views["a"].ledger}).publishAll(1)
	return c.take(frame{
		Type: protocol.TypeMessage, Topic: "a", Data: number(1).String() + " ", At: cursor.Format("a", at(1))[cursor.Constant:],
	})
}
