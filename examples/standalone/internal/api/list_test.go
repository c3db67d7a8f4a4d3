package api

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

// TestLongListsAreCheap: a list of more than a request may have is refused before all of it is
// in memory, where each {} would take fifty times its length.
func TestLongListsAreCheap(t *testing.T) {
	tests := []struct {
		name, body string
		into       any
	}{
		{"messages", `{"messages":[{}` + strings.Repeat(`,{}`, maxBody/3-20) + `]}`, &batchBody{}},
		{"topics", `{"data":1,"topics":[""` + strings.Repeat(`,""`, maxBody/3-20) + `]}`, &publication{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			text := []byte(tt.body)
			runtime.ReadMemStats(&before)
			err := parse(text, tt.into)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, errMany) {
				t.Errorf("error %v", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8*maxBody {
				t.Errorf("%d bytes for a body of %d", grown, len(text))
			}
		})
	}
}

// TestListsAreAsStrict: what holds for the other names of a body holds in its lists.
func TestListsAreAsStrict(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":5}`:             `("messages" can't be of type number)`,
		`{"messages":[5]}`:           "isn't the JSON object that this route takes",
		`{"messages":[{"dat":1}]}`:   `("dat" isn't in it)`,
		`{"messages":[{"topic":1}]}`: `("topic" can't be of type number)`,
	} {
		if err := parse([]byte(body), &batchBody{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{`{}`, `{"messages":null}`, `{"messages":[]}`, `{"messages":[{"topic":"a"},null]}`} {
		if err := parse([]byte(body), &batchBody{}); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}
