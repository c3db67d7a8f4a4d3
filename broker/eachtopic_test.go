package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
)

func TestEachTopic(t *testing.T) {
	many := make([]string, broker.MaxPublishTopics)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, test := range map[string]struct {
		topics   []string
		distinct string // that publish is called with
		err      error  // of publish
		want     string
	}{
		"no topic":                          {},
		"one topic":                         {topics: []string{"a"}, distinct: "a", want: "+a"},
		"a topic that is named again":       {topics: []string{"a", "b", "a", "c", "b"}, distinct: "a b c", want: "+a +b +a +c +b"},
		"an error":                          {topics: []string{"a", "b", "a"}, distinct: "a b", err: errors.New("x"), want: "-a:x -b:x -a:x"},
		"as many topics as there may be":    {topics: many, distinct: strings.Join(many, " "), want: "+" + strings.Join(many, " +")},
		"one more, though it isn't another": {topics: append(slices.Clone(many), "0")},
	} {
		t.Run(name, func(t *testing.T) {
			called := ""
			got := broker.EachTopic(test.topics, func(distinct []string) ([]string, error) {
				called = strings.Join(distinct, " ")
				published := make([]string, len(distinct))
				for i, topic := range distinct {
					published[i] = "+" + topic
				}
				return published, test.err
			}, func(topic string, err error) string { return "-" + topic + ":" + err.Error() })
			want := strings.Fields(test.want)
			if len(test.topics) > broker.MaxPublishTopics {
				for _, topic := range test.topics {
					want = append(want, "-"+topic+":a message is published to at most 1,000 topics at once")
				}
			}
			if called != test.distinct || !slices.Equal(got, want) {
				t.Errorf("called with %.50q, got %.200q", called, got)
			}
		})
	}
}
