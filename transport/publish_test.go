package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
)

// topicsQuery names topics t/1 to t/n.
func topicsQuery(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("topic=t/", i+1))
	}
	return strings.Join(names, "&")
}

func TestPublishToSeveralTopics(t *testing.T) {
	hub, server := routes(t, push.Options{}, transport.Options{PublishKey: "secret", MaxPublish: 100 << 10})
	const conflict = `,"error":{"code":"conflict","reason":"this message ID was used with other data","retry":"never"}}`
	tests := []struct {
		name       string
		call       call
		wantStatus int
		want       []string // parts of the body, in this order
	}{
		{"two", call{"POST", "publish?topic=b&topic=a&event=e&key=k&id=i", "hello", key()}, 200, []string{
			`{"results":[{"topic":"b","id":"i","epoch":"`, `","offset":1},{"topic":"a","id":"i","epoch":"`, `","offset":1}]}`,
		}},
		{"again, with one more", call{"POST", "publish?topic=a&topic=c&topic=b&event=e&key=k&id=i", "hello", key()}, 200, []string{
			`{"topic":"a",`, `"offset":1,"duplicate":true}`, `{"topic":"c",`, `"offset":1}`, `{"topic":"b",`, `"offset":1,"duplicate":true}]}`,
		}},
		{"the ID with other data", call{"POST", "publish?topic=a&topic=d&id=i", "hello", key()}, 200, []string{
			`{"results":[{"topic":"a"` + conflict + `,{"topic":"d","id":"i","epoch":"`, `"offset":1}]}`,
		}},
		{"a bad name among good ones", call{"POST", "publish?topic=a&topic=x%0Ay&topic=&topic=tidewire.x&topic=b", "hello", key()}, 200, []string{
			`{"topic":"a",`, `"offset":2}`, `{"topic":"x\ny","error":{"code":"bad_request",`, `{"topic":"","error":{"code":"bad_request",`,
			`{"topic":"tidewire.x","error":{"code":"bad_request",`, `{"topic":"b",`, `"offset":2}`,
		}},
		{"more data than the broker takes", call{"POST", "publish?topic=a&topic=b", strings.Repeat("x", 64<<10+1), key()}, 200, []string{
			`{"topic":"a","error":{"code":"too_large","reason":"a message has at most 65536 bytes`, `{"topic":"b","error":{"code":"too_large",`,
		}},
		{"a body over its limit", call{"POST", "publish?topic=a&topic=b", strings.Repeat("x", 100<<10+1), key()}, 413, []string{`"code":"too_large"`}},
		{"100", call{"POST", "publish?" + topicsQuery(100), "hello", key()}, 200, []string{`"topic":"t/1"`, `"topic":"t/100"`}},
		{"101", call{"POST", "publish?" + topicsQuery(101), "hello", key()}, 400, []string{`"reason":"a request publishes to at most 100 topics"`}},
		{"a topic twice", call{"POST", "publish?topic=a&topic=b&topic=a", "hello", key()}, 400, []string{`"reason":"a topic is named twice"`}},
		{"a bad event", call{"POST", "publish?topic=a&topic=b&event=e%0D", "hello", key()}, 400, []string{`"bad_request"`}},
		{"a bad key", call{"POST", "publish?topic=a&topic=b&key=%00", "hello", key()}, 400, []string{`"bad_request"`}},
		{"a bad ID", call{"POST", "publish?topic=a&topic=b&id=a%20b", "hello", key()}, 400, []string{`"bad_request"`}},
		{"not JSON", call{"POST", "publish?topic=a&topic=b", "{", key("Content-Type", "application/json")}, 400, []string{`"reason":"the data is not JSON`}},
		{"no key", call{"POST", "publish?topic=a&topic=b", "hello", nil}, 401, []string{`"unauthenticated"`}},
		{"a message of several, to send", call{"POST", "send?topic=a&topic=b", "hello", nil}, 400, []string{`"reason":"topic is given twice"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response, body := test.call.do(t, server)
			rest, found := body, response.StatusCode == test.wantStatus
			for _, part := range test.want {
				var here bool
				_, rest, here = strings.Cut(rest, part)
				found = found && here
			}
			if !found {
				t.Errorf("%d %s; want %d %q", response.StatusCode, body, test.wantStatus, test.want)
			}
		})
	}
	if n := hub.Stats().Published; n != 2+3+1+2+100 {
		t.Errorf("%d messages were published, repeated ones included", n)
	}
}

// TestAuthorizePublishOfEachTopic: a refusal is that topic's, unless all are refused.
func TestAuthorizePublishOfEachTopic(t *testing.T) {
	hub, server := routes(t, push.Options{}, transport.Options{AuthorizePublish: func(_ *http.Request, topic string) error {
		if strings.HasPrefix(topic, "mine/") {
			return nil
		}
		return fmt.Errorf("stays here: %s", topic)
	}})
	const refused = `"error":{"code":"forbidden","reason":"forbidden","retry":"never"}}`
	response, body := (call{"POST", "publish?topic=yours&topic=mine/a&topic=theirs&topic=mine/b", "hello", nil}).do(t, server)
	for _, part := range []string{`{"topic":"yours",` + refused, `{"topic":"theirs",` + refused, `{"topic":"mine/a","id":`, `{"topic":"mine/b","id":`} {
		if response.StatusCode != http.StatusOK || !strings.Contains(body, part) || strings.Contains(body, "stays") {
			t.Errorf("%d %s; want %s", response.StatusCode, body, part)
		}
	}
	if response, body := (call{"POST", "publish?topic=yours&topic=theirs", "hello", nil}).do(t, server); response.StatusCode != http.StatusForbidden {
		t.Errorf("all are refused: %d %s", response.StatusCode, body)
	}
	for topic, want := range map[string]int{"yours": 0, "mine/a": 1, "mine/b": 1} {
		if messages, _, err := hub.Recent(t.Context(), topic, 10); err != nil || len(messages) != want {
			t.Errorf("%s has %d messages, %v", topic, len(messages), err)
		}
	}
}

// bodies are what a POST of a Content-Type is; "" is none.
var bodies = []struct {
	name, contentType, body string
	want                    string // the data, or the reason of a refusal
	encoding                push.Encoding
	status                  int
}{
	{"JSON", "application/json", `{"a":1.50}`, `{"a":1.50}`, push.EncodingJSON, 200},
	{"JSON with white space", "application/json", " { \"a\" :\r\n[ 1 ] }\n", `{"a":[1]}`, push.EncodingJSON, 200},
	{"JSON in UTF-8", "application/json; charset=utf-8", `"ü"`, `"ü"`, push.EncodingJSON, 200},
	{"in other letters", "Application/JSON", `1`, `1`, push.EncodingJSON, 200},
	{"a kind of JSON", "application/cloudevents+json", `[]`, `[]`, push.EncodingJSON, 200},
	{"a problem", "application/problem+json; charset=utf-8", `null`, `null`, push.EncodingJSON, 200},
	{"not JSON", "application/json", `{"a":}`, "the data is not JSON", 0, 400},
	{"two values", "application/json", `1 2`, "the data is not JSON", 0, 400},
	{"nothing", "application/json", ``, "the data is not JSON", 0, 400},
	{"JSON that isn't UTF-8", "application/json", "\"\xff\"", "the data is not JSON", 0, 400},
	{"as deep as may be", "application/json", strings.Repeat("[", 60) + strings.Repeat("]", 60), strings.Repeat("[", 60) + strings.Repeat("]", 60), push.EncodingJSON, 200},
	{"too deep", "application/json", strings.Repeat("[", 61) + strings.Repeat("]", 61), "the JSON nests deeper than 60", 0, 400},
	{"half a surrogate pair", "application/json", `"\ud800"`, "the JSON has half of a surrogate pair", 0, 400},
	{"a whole pair", "application/json", `"\ud83d\ude00"`, `"\ud83d\ude00"`, push.EncodingJSON, 200},
	{"no type", "", `{ "a": 1 }`, `{ "a": 1 }`, push.EncodingText, 200},
	{"as curl sends it", "application/x-www-form-urlencoded", `{ "a": 1 }`, `{ "a": 1 }`, push.EncodingText, 200},
	{"text", "text/plain; charset=utf-8", ` x `, ` x `, push.EncodingText, 200},
	{"a fragment", "text/html", "<b>", "<b>", push.EncodingText, 200},
	{"text that isn't UTF-8", "text/plain", "\xff", "text is not UTF-8; publish it as binary", 0, 400},
	{"binary", "application/octet-stream", "\xff ", "\xff ", push.EncodingBinary, 200},
	{"an image", "image/png", "{", "{", push.EncodingBinary, 200},
}

func TestPublishByContentType(t *testing.T) {
	hub, server := routes(t, push.Options{}, transport.Options{PublishKey: "secret"})
	for _, test := range bodies {
		t.Run(test.name, func(t *testing.T) {
			for _, topics := range []string{"topic=a", "topic=a&topic=b"} {
				response, body := (call{"POST", "publish?" + topics, test.body, key("Content-Type", test.contentType)}).do(t, server)
				if response.StatusCode != test.status {
					t.Fatalf("%d %s", response.StatusCode, body)
				}
				if test.status != http.StatusOK {
					if !strings.Contains(body, test.want) {
						t.Errorf("got %s, want %s", body, test.want)
					}
					continue
				}
				messages, _, err := hub.Recent(t.Context(), "a", 1)
				if err != nil || string(messages[0].Data) != test.want || messages[0].Encoding != test.encoding {
					t.Errorf("stored %+v, %v", messages, err)
				}
			}
		})
	}
}

// TestSendByContentType: the reply repeats what came, so that it is encoded alike.
func TestSendByContentType(t *testing.T) {
	var got push.Inbound
	_, server := routes(t, push.Options{Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
		got = in
		return push.Reply{Data: in.Data, Encoding: in.Encoding}, nil
	}}, transport.Options{})
	for _, test := range bodies {
		t.Run(test.name, func(t *testing.T) {
			response, body := (call{"POST", "send?topic=a", test.body, map[string]string{"Content-Type": test.contentType}}).do(t, server)
			if response.StatusCode != test.status {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
			if test.status != http.StatusOK {
				if !strings.Contains(body, test.want) {
					t.Errorf("got %s, want %s", body, test.want)
				}
				return
			}
			if string(got.Data) != test.want || got.Encoding != test.encoding {
				t.Errorf("received %+v", got)
			}
			if want := `{"data":` + test.want + `}`; test.encoding == push.EncodingJSON && body != want {
				t.Errorf("the reply is %s, want %s", body, want)
			}
		})
	}
}
