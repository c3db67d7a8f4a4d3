package protocol_test

import (
	"context"
	"errors"
	"reflect"
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

func TestAnswerAboutSeveralTopicsIsRead(t *testing.T) {
	refused := &push.Error{Code: push.CodeRateLimited, Reason: "too fast", After: 1500 * time.Millisecond}
	sent := []push.Published{
		{Topic: "a", Receipt: push.Receipt{ID: "i", Position: seven, Duplicate: true}}, {Topic: "b\n", Err: refused},
	}
	got, err := protocol.ParseHTTPPublished(protocol.HTTPPublished(sent))
	if err != nil || len(got) != 2 || got[0].Topic != "a" || got[0].Receipt != sent[0].Receipt || got[0].Failure != nil ||
		got[1].Topic != "b\n" || got[1].Failure == nil || !reflect.DeepEqual(got[1].Failure.Error(), refused) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{
		"<html>", "{}", `{"results":{}}`, `{"results":[1]}`, `{"results":[{"topic":"a"}]}`, `{"results":[{"topic":1,"error":{"code":"x"}}]}`,
		`{"results":[{"topic":"a","error":{"code":1}}]}`, `{"id":"a","epoch":"x","offset":1}`,
	} {
		if results, err := protocol.ParseHTTPPublished([]byte(body)); err == nil {
			t.Errorf("%q is %+v", body, results)
		}
	}
}
