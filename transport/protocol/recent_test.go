package protocol_test

import (
	"errors"
	"math"
	"net/http/httptest"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestRecentInTheURL: it is one whole number, and holds for all topics.
func TestRecentInTheURL(t *testing.T) {
	for query, want := range map[string]int{
		"": 0, "&recent=0": 0, "&recent=50": 50, "&recent=9007199254740991": int(min(int64(1<<53-1), int64(math.MaxInt))), "&recent=007": 7,
		"&recent=": -1, "&recent=-1": -1, "&recent=%2B1": -1, "&recent=1.0": -1, "&recent=1e3": -1, "&recent=x": -1,
		"&recent=1_000": -1, "&recent=%205": -1, "&recent=9007199254740992": -1, "&recent=5&recent=5": -1,
	} {
		follows, e := protocol.Follows(httptest.NewRequest("GET", "/sse?topic=a&topic=b"+query, nil), 10)
		if want < 0 {
			if !errors.Is(e, push.CodeBadRequest) {
				t.Errorf("%q: %+v, %v", query, follows, e)
			}
			continue
		}
		if e != nil || follows[0].Recent != want || follows[1].Recent != want {
			t.Errorf("%q: %+v, %v", query, follows, e)
		}
	}
}
