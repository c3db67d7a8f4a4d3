package redisbroker

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// names are the names of all that a topic, a message ID or a set has.
func names(name, id string) []string {
	o := Options{}.withDefaults()
	head, history, known := o.topicKeys(name, id)
	keys, deadlines := o.stateKeys(name)
	return append(o.setKeys(name), head, history, known, keys, deadlines, o.channel(name), o.probeChannel(o.channel(name), id))
}

// TestNamesAreNobodyElses has names that are made of each other's parts.
func TestNamesAreNobodyElses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topic := rapid.StringOfN(rapid.SampledFrom([]rune("ab:misvxckd{} \u00fc")), 1, 8, -1)
		id := rapid.StringOfN(rapid.SampledFrom([]rune("ab:i{}")), 1, 4, -1)
		first, second := topic.Draw(t, "topic"), topic.Draw(t, "another")
		firstID, secondID := id.Draw(t, "ID"), id.Draw(t, "another ID")
		switch rapid.IntRange(0, 3).Draw(t, "which") {
		case 0:
			second = first + ":i:" + firstID
		case 1:
			second = first + ":m"
		case 2:
			second = first + kindID + firstID
		}
		if first == second {
			return
		}
		ours := names(first, firstID)
		for i, name := range names(second, secondID) {
			if slices.Contains(ours, name) {
				t.Fatalf("%q and %q have %q, number %d", first, second, name, i)
			}
		}
		if firstID != secondID {
			ours = ours[:len(ours)-1] // a probe's is the connection's
			if again := names(first, secondID); slices.Contains(ours, again[4]) {
				t.Fatalf("the IDs %q and %q of %q have %q", firstID, secondID, first, again[4])
			}
		}
		for i, name := range ours {
			if slices.Contains(ours[i+1:], name) {
				t.Fatalf("%q has %q for two things", first, name)
			}
		}
	})
}

// TestNamesOfAChosenTopic has two topics that had one slot tag, when it was a weak hash's,
// and an ID that made the key of one the other's head.
func TestNamesOfAChosenTopic(t *testing.T) {
	o := Options{}.withDefaults()
	if first, second := o.slot("o59uDc"), o.slot("room/evil"); first == second {
		t.Errorf("both have %s", first)
	}
}

// TestNamesOfATopicAreInOneSlot holds what a script must have on a Cluster.
func TestNamesOfATopicAreInOneSlot(t *testing.T) {
	o := Options{}.withDefaults()
	for _, topic := range []string{"a", "{b}", "}{", "a{}b"} {
		for _, name := range names(topic, "{x}") {
			if slot := o.slot(topic); len(slot) != len(o.Prefix)+slotLength || name[:len(slot)] != slot {
				t.Errorf("%q has %q, not in %s", topic, name, slot)
			}
		}
	}
}
