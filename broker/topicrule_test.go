package broker_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
)

// TestTopicRules: the first rule that matches counts, and takes from the standard, field by
// field, what it leaves out.
func TestTopicRules(t *testing.T) {
	rules := broker.NewTopicRules(broker.History{Messages: 7, Age: time.Hour}, []broker.TopicRule{
		{Pattern: "prices/{symbol}", History: broker.History{Messages: 1}, Time: true},
		{Pattern: "prices/{all...}", History: broker.History{Age: time.Second}},
		{Pattern: "prices/late", History: broker.History{Messages: 99}},
		{Pattern: "log", History: broker.History{Messages: -1, Bytes: -2, Age: -3}},
		{Pattern: "{any}", History: broker.History{Bytes: 5}},
	})
	standard := broker.History{Messages: 7, Bytes: 4 << 20, Age: time.Hour}
	for topic, want := range map[string]broker.TopicRule{
		"prices/late": {History: broker.History{Messages: 1, Bytes: 4 << 20, Age: time.Hour}, Time: true},
		"prices/a/b":  {History: broker.History{Messages: 7, Bytes: 4 << 20, Age: time.Second}},
		"log":         {History: broker.History{Messages: math.MaxInt, Bytes: math.MaxInt, Age: math.MaxInt64}},
		"x":           {History: broker.History{Messages: 7, Bytes: 5, Age: time.Hour}},
		"x/y":         {History: standard},
		"tidewire.x":  {History: standard}, // which {any} matches
		"":            {History: standard},
	} {
		got := *rules.Of(topic)
		if got.History != want.History || got.Time != want.Time {
			t.Errorf("%q: %+v, want %+v", topic, got, want)
		}
	}
	if got := broker.NewTopicRules(broker.History{Bytes: -1}, nil).Of("x").History; got != (broker.History{Messages: 1000, Bytes: math.MaxInt, Age: 10 * time.Minute}) {
		t.Errorf("without rules: %+v", got)
	}
}

func TestMalformedTopicRulesPanic(t *testing.T) {
	for _, pattern := range []string{"", "a{b}", "{a}/{a}", "{a...}/b", "prices/*", "tidewire.{x}", "tidewire.control"} {
		func() {
			defer func() {
				if p, ok := recover().(string); !ok || !strings.Contains(p, pattern) {
					t.Errorf("%q: panic %v", pattern, p)
				}
			}()
			broker.NewTopicRules(broker.History{}, []broker.TopicRule{{Pattern: "fine"}, {Pattern: pattern}})
			t.Errorf("%q was taken", pattern)
		}()
	}
}
