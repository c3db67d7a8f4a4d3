package session

import (
	"math"
	"testing"

	"github.com/tidewire/tidewire/push"
)

// TestConnectionsByDefault leaves descriptors to all else that a server does.
func TestConnectionsByDefault(t *testing.T) {
	got, all := defaults(push.Limits{}).Connections, descriptors()
	switch {
	case all == 0:
		if got != math.MaxInt {
			t.Errorf("without a limit of the system it is %d", got)
		}
	case got < 1 || got > all-all/10:
		t.Errorf("%d of %d descriptors", got, all)
	}
	if got := defaults(push.Limits{Connections: -1}).Connections; got != math.MaxInt {
		t.Errorf("no limit is %d", got)
	}
}
