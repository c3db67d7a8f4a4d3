package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

func TestMalformedFramesEndTheConnection(t *testing.T) {
	tests := map[string]string{
		"empty":                 "",
		"white space":           " \n\t",
		"not JSON":              "hello",
		"byte order mark":       "\ufeff" + `{"type":"ping"}`,
		"array":                 `[{"type":"ping"}]`,
		"null":                  "null",
		"trailing garbage":      `{"type":"ping"} x`,
		"no colon":              `{"type" "ping"}`,
		"no comma":              `{"type":"unsubscribe" "topics":["a"]}`,
		"no comma in an array":  `{"type":"unsubscribe","topics":["a" "b"]}`,
		"comma at the end":      `{"type":"ping",}`,
		"comma at the start":    `{"type":"unsubscribe","topics":[,"a"]}`,
		"wrong bracket":         `{"type":"unsubscribe","topics":["a"}]`,
		"key without quotes":    `{type:"ping"}`,
		"no value":              `{"type":}`,
		"unknown word":          `{"type":nil}`,
		"leading zero":          `{"type":"unsubscribe","id":01,"topics":["a"]}`,
		"line break in a text":  "{\"type\":\"pi\nng\"}",
		"unknown escape":        `{"type":"pin\q"}`,
		"string without end":    `{"type":"ping\"}`,
		"two objects":           `{"type":"ping"}{"type":"ping"}`,
		"cut off":               `{"type":"ping"`,
		"key twice":             `{"type":"ping","type":"pong"}`,
		"key in another case":   `{"Type":"ping"}`,
		"key with a long s":     `{"type":"subscribe","id":1,"topics":[{"topic":"a","ſince":"1"}]}`,
		"key twice, cases":      `{"type":"ping","TYPE":"pong"}`,
		"nested key twice":      `{"type":"subscribe","id":1,"topics":[{"topic":"a","topic":"b"}]}`,
		"nested deep":           `{"type":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"server-only message":   `{"type":"message","topic":"a","data":"x"}`,
		"server-only gap":       `{"type":"gap"}`,
		"server-only state":     `{"type":"state"}`,
		"server-only synced":    `{"type":"synced"}`,
		"server-only reset":     `{"type":"reset"}`,
		"server-only welcome":   `{"type":"welcome"}`,
		"more keys than exist":  `{` + strings.Repeat(`"k":1,`, 40) + `"type":"ping"}`,
		"many different fields": manyKeys(100),
	}
	for name, frame := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := protocol.ParseRequest([]byte(frame))
			if _, ok := errors.AsType[*protocol.MalformedError](err); !ok {
				t.Errorf("got %v, want a MalformedError", err)
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString(`{"type":"ping"`)
	for i := range n {
		b.WriteString(`,"k` + strings.Repeat("x", i) + `":1`)
	}
	return b.String() + "}"
}

func TestBadRequestsAreAnswered(t *testing.T) {
	tests := map[string]struct {
		frame  string
		wantID uint64
	}{
		"unknown type":           {`{"type":"dance","id":5}`, 5},
		"no type":                {`{"id":5}`, 5},
		"type is null":           {`{"type":null,"id":5}`, 5},
		"type is a number":       {`{"type":1,"id":5}`, 5},
		"unknown field":          {`{"type":"unsubscribe","id":5,"topics":["a"],"x":1}`, 5},
		"field of another type":  {`{"type":"ping","topic":"a"}`, 0},
		"prototype":              {`{"type":"ping","__proto__":{"x":1}}`, 0},
		"topics is null":         {`{"type":"subscribe","id":5,"topics":null}`, 5},
		"topics is empty":        {`{"type":"subscribe","id":5,"topics":[]}`, 5},
		"topics of strings":      {`{"type":"subscribe","id":5,"topics":["a"]}`, 5},
		"topics has unknown":     {`{"type":"subscribe","id":5,"topics":[{"topic":"a","x":1}]}`, 5},
		"recent is a string":     {`{"type":"subscribe","id":5,"topics":[{"topic":"a","recent":"5"}]}`, 5},
		"recent is negative":     {`{"type":"subscribe","id":5,"topics":[{"topic":"a","recent":-1}]}`, 5},
		"recent is a fraction":   {`{"type":"subscribe","id":5,"topics":[{"topic":"a","recent":1.5}]}`, 5},
		"recent is over 2^53":    {`{"type":"subscribe","id":5,"topics":[{"topic":"a","recent":9007199254740992}]}`, 5},
		"recent of all topics":   {`{"type":"subscribe","id":5,"recent":5,"topics":[{"topic":"a"}]}`, 5},
		"kind is unknown":        {`{"type":"subscribe","id":5,"topics":[{"topic":"a","kind":"log"}]}`, 5},
		"kind is a number":       {`{"type":"subscribe","id":5,"topics":[{"topic":"a","kind":1}]}`, 5},
		"kind of all topics":     {`{"type":"subscribe","id":5,"kind":"state","topics":[{"topic":"a"}]}`, 5},
		"recent of a state":      {`{"type":"subscribe","id":5,"topics":[{"topic":"a","kind":"state","recent":5}]}`, 5},
		"a state and a log":      {`{"type":"subscribe","id":5,"topics":[{"topic":"a","kind":"state"},{"topic":"a"}]}`, 5},
		"topic twice":            {`{"type":"subscribe","id":5,"topics":[{"topic":"a"},{"topic":"a"}]}`, 5},
		"cursor over 4096 bytes": {`{"type":"subscribe","id":5,"topics":[{"topic":"a","since":"` + strings.Repeat("x", 4097) + `"}]}`, 5},
		"unsubscribe of objects": {`{"type":"unsubscribe","id":5,"topics":[{"topic":"a"}]}`, 5},
		"topics is an object":    {`{"type":"subscribe","id":5,"topics":{"a":{"topic":"a"}}}`, 5},
		"topics is a topic":      {`{"type":"subscribe","id":5,"topics":{"topic":"a"}}`, 5},
		"a list among topics":    {`{"type":"subscribe","id":5,"topics":[[]]}`, 5},
		"unsubscribe of lists":   {`{"type":"unsubscribe","id":5,"topics":[["a"]]}`, 5},
		"minus zero":             {`{"type":"unsubscribe","id":-0,"topics":["a"]}`, 0},
		"id over 2^64":           {`{"type":"unsubscribe","id":18446744073709551616,"topics":["a"]}`, 0},
		"id is a long number":    {`{"type":"unsubscribe","id":1` + strings.Repeat("0", 1<<20) + `,"topics":["a"]}`, 0},
		"id is a long string":    {`{"type":"unsubscribe","id":"` + strings.Repeat("0", 1<<20) + `","topics":["a"]}`, 0},
		"hello":                  {`{"type":"hello","id":5,"token":"x"}`, 5},
		"prototype as a topic":   {`{"type":"subscribe","id":5,"topics":[{"topic":"a","__proto__":"x"}]}`, 5},
		"negative id":            {`{"type":"unsubscribe","id":-1,"topics":["a"]}`, 0},
		"fractional id":          {`{"type":"unsubscribe","id":1.5,"topics":["a"]}`, 0},
		"id over 2^53":           {`{"type":"unsubscribe","id":9007199254740992,"topics":["a"]}`, 0},
		"id is an object":        {`{"type":"unsubscribe","id":{},"topics":["a"]}`, 0},
		"id is huge":             {`{"type":"unsubscribe","id":1e999,"topics":["a"]}`, 0},
		"no data":                {`{"type":"send","id":5,"topic":"a"}`, 5},
		"JSON as base64":         {`{"type":"send","id":5,"topic":"a","encoding":"base64","data":{}}`, 5},
		"JSON in a field":        {`{"type":"send","id":5,"topic":{"a":[]},"data":1}`, 5},
		"unknown encoding":       {`{"type":"send","id":5,"topic":"a","encoding":"hex","data":"00"}`, 5},
		"data is not base64":     {`{"type":"send","id":5,"topic":"a","encoding":"base64","data":"*"}`, 5},
		"base64 with stray bits": {`{"type":"send","id":5,"topic":"a","encoding":"base64","data":"AB=="}`, 5},
		"base64 without padding": {`{"type":"send","id":5,"topic":"a","encoding":"base64","data":"AA"}`, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request, err := protocol.ParseRequest([]byte(test.frame))
			if !errors.Is(err, push.CodeBadRequest) || request.ID != test.wantID {
				t.Errorf("got id %d, %v; want id %d and a bad request", request.ID, err, test.wantID)
			}
		})
	}
}

// TestRequestNamesAThousandTopics at most: more is refused as a whole.
func TestRequestNamesAThousandTopics(t *testing.T) {
	for n, want := range map[int]error{1000: nil, 1001: push.CodeTooLarge} {
		var follows, leaves []string
		for i := range n {
			follows = append(follows, fmt.Sprintf(`{"topic":"%d"}`, i))
			leaves = append(leaves, strconv.Itoa(i))
		}
		for _, frame := range []string{
			`{"type":"subscribe","id":5,"topics":[` + strings.Join(follows, ",") + `]}`,
			`{"type":"unsubscribe","id":5,"topics":["` + strings.Join(leaves, `","`) + `"]}`,
		} {
			request, err := protocol.ParseRequest([]byte(frame))
			if !errors.Is(err, want) || request.ID != 5 || err == nil && len(request.Follows)+len(request.Topics) != n {
				t.Errorf("%d topics: %v, %d and %d", n, err, len(request.Follows), len(request.Topics))
			}
		}
	}
}

func TestSpellingMeansNothing(t *testing.T) {
	tests := map[string]string{
		"white space":       " {\t\"type\" : \"unsubscribe\" ,\r\n\"id\":5 , \"topics\" : [ \"ä\" , \"b\" ] } ",
		"order":             `{"topics":["ä","b"],"id":5,"type":"unsubscribe"}`,
		"escapes in values": `{"type":"un\u0073ubscribe","id":5,"topics":["\u00e4","\u0062"]}`,
		"escapes in keys":   `{"typ\u0065":"unsubscribe","\u0069d":5,"topics":["ä","b"]}`,
	}
	want := protocol.Request{Type: "unsubscribe", ID: 5, Topics: []string{"ä", "b"}}
	for name, frame := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := protocol.ParseRequest([]byte(frame))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"type":"subscribe","id":1,"topics":[{"topic":"a","since":"1AA"}]}`))
	f.Add([]byte(`{"type":"send","id":3,"topic":"a","encoding":"base64","data":"AAH+/w=="}`))
	f.Add([]byte(`{"type":"subscribe","id":1,"topics":[{"topic":"a","kind":"state","since":"1AA"}]}`))
	f.Add([]byte(`{"type":"unsubscribe","topics":["a"]}`))
	f.Add([]byte(`{"type":"ping","Type":1}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		request, err := protocol.ParseRequest(frame)
		if err != nil {
			return
		}
		if !json.Valid(frame) {
			t.Errorf("%q is not JSON, and was taken", frame)
		}
		if request.ID > protocol.MaxRequestID {
			t.Errorf("id %d", request.ID)
		}
		if request.Type == protocol.TypeSubscribe && len(request.Follows) == 0 {
			t.Error("a subscribe to nothing")
		}
	})
}
