package protocol_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// TestAnswersToPublish: what backends parse.
func TestAnswersToPublish(t *testing.T) {
	receipt := push.Receipt{ID: "id", Position: position}
	duplicate := push.Receipt{ID: `"`, Position: position, Duplicate: true}
	slow := &push.Error{Code: push.CodeRateLimited, Reason: "too fast", After: 1500 * time.Millisecond}
	for want, got := range map[string][]byte{
		`{"id":"id","epoch":"9f8a6c21d0e4b735","offset":7}`:                  protocol.HTTPReceipt(receipt),
		`{"id":"\"","epoch":"9f8a6c21d0e4b735","offset":7,"duplicate":true}`: protocol.HTTPReceipt(duplicate),
		`{"results":[]}`: protocol.HTTPPublished(nil),
		`{"results":[{"topic":"a","id":"id","epoch":"9f8a6c21d0e4b735","offset":7},` +
			`{"topic":"b\n\"","error":{"code":"conflict","reason":"this message ID was used with other data","retry":"never"}},` +
			`{"topic":"c","error":{"code":"internal","reason":"internal error","retry":"later"}},` +
			`{"topic":"d","error":{"code":"timeout","reason":"timed out","retry":"later"}},` +
			`{"topic":"e","error":{"code":"rate_limited","reason":"too fast","retry":"later","after":1500}},` +
			`{"topic":"f","id":"\"","epoch":"9f8a6c21d0e4b735","offset":7,"duplicate":true}]}`: protocol.HTTPPublished([]push.Published{
			{Topic: "a", Receipt: receipt},
			{Topic: "b\n\"", Err: push.CodeConflict},
			{Topic: "c", Err: errors.New("stays here")},
			{Topic: "d", Err: context.DeadlineExceeded},
			{Topic: "e", Err: slow},
			{Topic: "f", Receipt: duplicate},
		}),
	} {
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
