package protocol_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

func TestVersionInTheURL(t *testing.T) {
	for query, want := range map[string]error{
		"": nil, "&v=1": nil,
		"&v=2": push.CodeBadRequest, "&v=": push.CodeBadRequest, "&v=1&v=1": push.CodeBadRequest, "&v=01": push.CodeBadRequest,
	} {
		_, e := protocol.Follows(httptest.NewRequest("GET", "/sse?topic=a"+query, nil), 10)
		if want == nil && e != nil || want != nil && !errors.Is(e, want) {
			t.Errorf("%q: %v", query, e)
		}
	}
}
