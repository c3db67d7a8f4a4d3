package push_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/push"
)

func TestJSONIsStripped(t *testing.T) {
	for data, want := range map[string]string{
		" { \"a\" : [ 1 ,\t2 ] }\r\n":           `{"a":[1,2]}`,
		`"a b"`:                                 `"a b"`,
		`1.50e+3`:                               `1.50e+3`,
		`90071992547409931234567`:               `90071992547409931234567`,
		`{"a":1,"a":2,"\u0061":3}`:              `{"a":1,"a":2,"\u0061":3}`,
		`"\ud83d\ude00 \uD83D\uDE00 \u2028 <&"`: `"\ud83d\ude00 \uD83D\uDE00 \u2028 <&"`,
		`"\\ud800"`:                             `"\\ud800"`,
		"null":                                  "null",
		"{\"a\u2028\": \"\u2029\u2028“\"}":      `{"a\u2028":"\u2029\u2028“"}`,
		"[\"\u2028\"]":                          `["\u2028"]`,
		`[-1.7e308,1e-999,0]`:                   `[-1.7e308,1e-999,0]`,
		`{"1e999":"1e999"}`:                     `{"1e999":"1e999"}`,
		"0." + strings.Repeat("3", 998):         "0." + strings.Repeat("3", 998),
		strings.Repeat("[", 60) + strings.Repeat("]", 60): strings.Repeat("[", 60) + strings.Repeat("]", 60),
		`["` + strings.Repeat("[", 100) + `"]`:            `["` + strings.Repeat("[", 100) + `"]`,
	} {
		if got, err := push.EncodingJSON.Normalize([]byte(data)); string(got) != want || err != nil {
			t.Errorf("%q: got %q, %v", data, got, err)
		}
	}
}

func TestBadDataIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		encoding push.Encoding
		data     string
	}{
		"nothing":                   {push.EncodingJSON, ""},
		"white space":               {push.EncodingJSON, " "},
		"not JSON":                  {push.EncodingJSON, "hello"},
		"two values":                {push.EncodingJSON, "1 2"},
		"a byte order mark":         {push.EncodingJSON, "\ufeff1"},
		"not UTF-8":                 {push.EncodingJSON, "\"\xff\""},
		"a surrogate in UTF-8":      {push.EncodingJSON, "\"\xed\xa0\x80\""},
		"half a pair":               {push.EncodingJSON, `"\ud800"`},
		"half a pair at the end":    {push.EncodingJSON, `"a\ud800"`},
		"the other half":            {push.EncodingJSON, `"\udc00"`},
		"two first halves":          {push.EncodingJSON, `"\ud800\ud800"`},
		"half a pair and a letter":  {push.EncodingJSON, `"\ud800\u0041"`},
		"half a pair and an escape": {push.EncodingJSON, `"\ud800\n"`},
		"half a pair in a key":      {push.EncodingJSON, `{"\uDBFF":1}`},
		"too deep":                  {push.EncodingJSON, strings.Repeat("[", 61) + strings.Repeat("]", 61)},
		"too deep, mixed":           {push.EncodingJSON, strings.Repeat(`{"a":[`, 31) + strings.Repeat("]}", 31)},
		"a number beyond a double":  {push.EncodingJSON, `{"a":[1e309]}`},
		"one far beyond, at last":   {push.EncodingJSON, `-9E+99999999999`},
		"an integer beyond it":      {push.EncodingJSON, `[` + strings.Repeat("9", 310) + `]`},
		"too many digits":           {push.EncodingJSON, `[0.` + strings.Repeat("3", 999) + `]`},
		"text that isn't UTF-8":     {push.EncodingText, "\xff"},
		"an unknown encoding":       {3, "x"},
	} {
		if got, err := test.encoding.Normalize([]byte(test.data)); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestJSONMakesAReply(t *testing.T) {
	reply, err := push.JSON(map[string]int{"a": 1})
	if string(reply.Data) != `{"a":1}` || reply.Encoding != push.EncodingJSON || err != nil {
		t.Errorf("got %+v, %v", reply, err)
	}
	if _, err := push.JSON(func() {}); err == nil {
		t.Error("a func is JSON")
	}
}

// FuzzNormalizeJSON: what is taken is on one line, means the same, and stays as it is.
func FuzzNormalizeJSON(f *testing.F) {
	for _, seed := range []string{`{"a": [1, 2.50]}`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", " null\n", "1e999", `{"a":1,"a":"\u2028"}`, "[\"\u2028\u2029\"]", strings.Repeat("[", 70)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := push.EncodingJSON.Normalize(data)
		if err != nil {
			return
		}
		if bytes.ContainsAny(got, "\r\n") || !utf8.Valid(got) || len(got) > 2*len(data) || bytes.ContainsAny(got, "\u2028\u2029") {
			t.Fatalf("%q became %q", data, got)
		}
		var before, after any
		if err := errors.Join(json.Unmarshal(data, &before), json.Unmarshal(got, &after)); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		a, _ := json.Marshal(before)
		b, _ := json.Marshal(after)
		if !bytes.Equal(a, b) {
			t.Fatalf("%q became %q", data, got)
		}
		if again, err := push.EncodingJSON.Normalize(got); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q became %q, %v", got, again, err)
		}
	})
}
