package sim

import (
	"slices"
	"testing"
)

// TestKnownSchedules runs what has failed once, each with many seeds, since the
// moments that matter are short.
func TestKnownSchedules(t *testing.T) {
	// Published every millisecond while a connection comes back.
	var whileItIsBack []step
	for range 12 {
		whileItIsBack = append(whileItIsBack, step{publishOne, 0, 0, 0}, step{advance, 1, 0, 0})
	}
	tests := []struct {
		name  string
		steps []step
	}{
		// An instance has published what the store then loses, and its connection brings the other
		// branch before it has read.
		{"another branch is heard before it is read", []step{
			{advance, 7, 0, 0}, {killSubscriber, 0, 0, 0}, {killSubscriber, 1, 0, 0}, {publishOne, 0, 1, 0}, {advance, 5, 0, 0}, {promote, 1, 0, 0},
			{advance, 7, 0, 0}, {advance, 6, 0, 0}, {advance, 5, 0, 0}, {advance, 1, 0, 0}, {publishMany, 0, 0, 4},
		}},
		// Only a client has seen what the store loses: its instance ends, too.
		{"only a client has seen it", append([]step{
			{advance, 7, 0, 0}, {publishOne, 0, 1, 0}, {advance, 7, 0, 0}, {killSubscriber, 1, 0, 0}, {publishOne, 0, 0, 0}, {advance, 6, 0, 0},
			{promote, 1, 0, 0}, {kill, 0, 0, 0}, {publishOne, 0, 1, 0}, {publishOne, 0, 1, 0}, {advance, 4, 0, 0},
		}, whileItIsBack...)},
		// The history is flushed, and a replica brings it back while it is read anew.
		{"an epoch comes back", append([]step{
			{advance, 7, 0, 0}, {publishOne, 0, 0, 0}, {advance, 7, 0, 0}, {flush, 0, 0, 0}, {killSubscriber, 0, 0, 0},
			{advance, 7, 0, 0}, {advance, 6, 0, 0}, {advance, 5, 0, 0}, {publishOne, 0, 1, 0}, {advance, 5, 0, 0}, {promote, 2, 0, 0},
		}, whileItIsBack...)},
		// The fence against a lagging replica is lost by the next one, while a client is away.
		{"a fence is lost", []step{
			{advance, 7, 0, 0}, {publishOne, 0, 0, 0}, {advance, 7, 0, 0}, {publishOne, 0, 0, 0}, {publishOne, 0, 1, 0}, {advance, 7, 0, 0},
			{stall, 1, 0, 0}, {promote, 2, 0, 0}, {advance, 11, 0, 0}, {promote, 1, 0, 0}, {advance, 15, 0, 0}, {publishOne, 0, 1, 0},
		}},
		// A client is ahead of an instance that hears nothing, and nothing is kept.
		{"ahead of a silent instance", []step{
			{advance, 7, 0, 0}, {silenceSubscriber, 1, 0, 0}, {publishMany, 0, 0, 19}, {advance, 7, 0, 0}, {hop, 0, 2, 0}, {hop, 1, 3, 0},
			{advance, 8, 0, 0}, {evict, 0, 4, 0}, {publishOne, 0, 0, 0}, {advance, 13, 0, 0}, {publishOne, 0, 1, 0},
		}},
		// All come back at once, from positions of which some are still in the history.
		{"a storm after much was trimmed", []step{
			{advance, 7, 0, 0}, {publishMany, 0, 0, 9}, {advance, 7, 0, 0}, {evict, 0, 2, 0}, {advance, 14, 0, 0}, {storm, 0, 5, 0},
		}},
		// A message is lost, and the next one shows it. This one must pass with any healer off.
		{"a hole shows by the next message", []step{
			{advance, 7, 0, 0}, {lose, 0, 0, 0}, {lose, 1, 0, 0}, {publishOne, 0, 0, 0}, {advance, 7, 0, 0}, {publishOne, 0, 1, 0},
		}},
		// All is lost with the only instance that had seen it, and one that still knows the
		// genesis of before publishes to clients that have got nothing yet.
		{"a flush of what one instance had seen", []step{
			{advance, 7, 0, 0}, {lose, 1, 0, 0}, {publishOne, 0, 0, 0}, {advance, 6, 0, 0}, {kill, 0, 0, 0}, {flush, 0, 0, 0},
			{publishOne, 0, 1, 0}, {advance, 9, 0, 0},
		}},
		// A head and its history go with the only instance that had seen them, the topic begins
		// again where it did, and what was published under an ID is published again.
		{"an ID of a history that began again", []step{
			{advance, 7, 0, 0}, {lose, 1, 0, 0}, {publishOne, 0, 0, 1}, {advance, 6, 0, 0}, {kill, 0, 0, 0}, {evict, 0, 0, 0}, {evict, 0, 5, 0},
			{publishOne, 0, 1, 0}, {advance, 6, 0, 0}, {retryOne, 0, 1, 0}, {advance, 9, 0, 0},
		}},
		// A copy from before a user was revoked comes back, and so does an instance that has only
		// read the copy.
		{"an old copy frees nobody", []step{
			{advance, 7, 0, 0}, {save, 0, 0, 0}, {revoke, 1, 0, 0}, {advance, 9, 0, 0}, {restore, 0, 0, 0}, {kill, 1, 0, 0},
			{advance, 14, 0, 0}, {publishOne, 0, 0, 0}, {advance, 14, 0, 0},
		}},
		// Clients come from positions that they have made up, and the others notice nothing.
		{"forged cursors disturb nobody", []step{
			{advance, 7, 0, 0}, {publishMany, 0, 0, 3}, {advance, 7, 0, 0}, {forge, 0, 1, 5}, {forge, 1, 2, 0}, {forge, 2, 0, 3}, {advance, 8, 0, 0},
			{publishOne, 0, 1, 0}, {advance, 13, 0, 0}, {forge, 3, 3, 0}, {forge, 0, 5, 0}, {forge, 1, 6, 0}, {publishOne, 0, 0, 0}, {advance, 13, 0, 0},
		}},
		// All is lost and begins again while a client waits for what it has missed, which the
		// store has read before.
		{"a history ends while it is replayed", []step{
			{advance, 7, 0, 0}, {publishMany, 0, 0, 4}, {advance, 14, 0, 0}, {delay, 63, 0, 0}, {rewind, 0, 3, 0}, {advance, 7, 0, 0}, {heal, 0, 0, 0},
			{advance, 9, 0, 0}, {flush, 0, 0, 0}, {publishOne, 0, 0, 0}, {advance, 10, 0, 0},
		}},
		// A client has made up its position, which is real, and its instance misses more than is
		// kept: it is told with all others.
		{"a forged cursor is good", []step{
			{advance, 7, 0, 0}, {publishOne, 0, 0, 0}, {advance, 7, 0, 0}, {forge, 1, 4, 0}, {advance, 8, 0, 0}, {silenceSubscriber, 1, 0, 0},
			{publishMany, 0, 0, 19}, {advance, 14, 0, 0},
		}},
		// A topic is revoked while a client waits for its welcome, which has a younger cursor of
		// the place before the first message.
		{"a topic is revoked before the welcome", []step{
			{advance, 14, 0, 0}, {kill, 1, 0, 0}, {advance, 6, 0, 0}, {killSubscriber, 1, 0, 0}, {advance, 6, 0, 0}, {advance, 5, 0, 0},
			{revoke, 1, 1, 1}, {advance, 9, 0, 0},
		}},
		// A key is appended to, set, and appended to again while all clients are away, who then come
		// to instances that have nothing but the map.
		{"pieces before and after a set", []step{
			{changeOne, 0, 0, 0}, {advance, 7, 0, 0}, {kill, 0, 0, 0}, {kill, 1, 0, 0}, {advance, 5, 0, 0}, {changeOne, 0, 0, 3}, {advance, 4, 0, 0},
			{changeOne, 0, 0, 0}, {advance, 4, 0, 0}, {changeOne, 0, 0, 3}, {advance, 10, 0, 0},
		}},
		// A key is appended to, and then set to another kind of value, while all clients are away, who
		// then come to instances that have nothing but the map.
		{"pieces before JSON", []step{
			{changeOne, 0, 0, 0}, {advance, 7, 0, 0}, {kill, 0, 0, 0}, {kill, 1, 0, 0}, {advance, 5, 0, 0}, {changeOne, 0, 0, 3}, {advance, 4, 0, 0},
			{changeOne, 0, 0, 8}, {advance, 10, 0, 0},
		}},
		// Some come back to what was appended meanwhile, and the key is set while that is read: of this
		// all are told only later.
		{"a set while pieces are read", []step{
			{changeOne, 1, 0, 0}, {advance, 11, 0, 0}, {hop, 0, 0, 0}, {hop, 1, 1, 0}, {hop, 2, 0, 0}, {changeOne, 1, 0, 3}, {advance, 6, 0, 0},
			{advance, 6, 0, 0}, {advance, 3, 0, 0}, {changeOne, 1, 0, 0}, {advance, 10, 0, 0},
		}},
		// A client comes to an instance that hears nothing, and has the last messages in memory, from
		// one that has told it more. What it misses is trimmed: it isn't led back.
		{"ahead of last messages in memory", []step{
			{advance, 7, 0, 0}, {publishMany, 0, 0, 4}, {advance, 7, 0, 0}, {hop, 1, 0, 0}, {hop, 3, 2, 1}, {advance, 8, 0, 0},
			{silenceSubscriber, 1, 0, 0}, {publishOne, 0, 0, 0}, {advance, 6, 0, 0}, {hop, 1, 2, 0}, {publishMany, 0, 0, 6}, {advance, 5, 0, 0},
			{evict, 0, 2, 0}, {advance, 13, 0, 0},
		}},
		// Slow readers leave a state and a log before either is answered, and what the log has had
		// comes in between: they come back to each by its own answer.
		{"two topics are left at once", []step{
			{advance, 7, 0, 0}, {slow, 0, 0, 0}, {slow, 1, 0, 0}, {slow, 4, 0, 0}, {flood, 0, 0, 0}, {advance, 4, 0, 0},
			{resubscribe, 0, 1, 0}, {resubscribe, 1, 1, 0}, {resubscribe, 4, 1, 0}, {publishOne, 0, 1, 0}, {advance, 4, 0, 0},
			{resubscribe, 0, 0, 0}, {resubscribe, 1, 0, 0}, {resubscribe, 4, 0, 0}, {advance, 10, 0, 0},
		}},
		// A shutdown while clients come whose topic isn't open yet.
		{"a shutdown of an instance that is opening", []step{
			{killSubscriber, 0, 0, 0}, {restart, 0, 0, 0}, {advance, 7, 0, 0}, {killSubscriber, 1, 0, 0}, {restart, 1, 0, 0}, {publishOne, 0, 0, 0},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(60) {
				s := schedule{Seed: seed, Instances: 2, Clients: 5, Topics: 1, Tight: seed%2 == 1, Steps: test.steps}
				if slices.ContainsFunc(test.steps, func(s step) bool { return slices.Contains(stateKinds, s.Kind) && s.Kind != advance }) {
					s.States = 2
				}
				if violations, timeline, _ := simulate(t, s); violations != "" {
					t.Fatalf("%s\n%s\n%s", s, timeline, violations)
				}
			}
		})
	}
	for name, s := range map[string]schedule{
		"the mark changes branches":        theMarkChanges,
		"what is heard is lost before it":  heardIsLost,
		"a hole ends what is in memory":    aHoleEndsTheWindow,
		"a head goes at first":             aHeadGoesAtFirst,
		"an epoch that isn't heard of":     anEpochIsNotHeardOf,
		"the id of an event is of nothing": theIDIsOfNothing,
	} {
		t.Run(name, func(t *testing.T) {
			if violations, timeline, _ := simulate(t, s); violations != "" {
				t.Fatalf("%s\n%s\n%s", s, timeline, violations)
			}
		})
	}
}

// theMarkChanges has what an instance has heard lost, while messages of its own that
// are on their way are taken by the store that lacks it, so that the highest position that
// it has seen is of the other branch. It takes moments that one seed in a thousand has.
var theMarkChanges = schedule{Seed: 1305, Instances: 3, Clients: 4, Topics: 2, Tight: true, Steps: []step{
	{advance, 13, 4, 0}, {kill, 62, 36, 56}, {restart, 33, 33, 34}, {cut, 1, 38, 6}, {heal, 34, 12, 25}, {publishOne, 9, 15, 5},
	{advance, 11, 46, 0}, {publishOne, 25, 0, 35}, {publishOne, 0, 6, 2}, {retryOne, 30, 0, 56}, {publishOne, 62, 1, 11},
	{publishMany, 0, 2, 1}, {publishOne, 37, 23, 5}, {publishOne, 42, 1, 53}, {hop, 25, 28, 19}, {advance, 2, 0, 1}, {advance, 2, 32, 3},
	{freeze, 4, 40, 54}, {restart, 0, 21, 0}, {publishOne, 1, 36, 29}, {promote, 11, 46, 7}, {publishOne, 45, 56, 13}, {publishOne, 23, 52, 3},
	{publishOne, 3, 1, 4}, {publishOne, 21, 56, 40}, {publishOne, 24, 11, 35}, {failBefore, 44, 16, 2}, {publishOne, 0, 1, 3},
}}

// heardIsLost: an instance hears a message but not the one before it, and the store loses
// what was heard before the missing one is read. One seed in four has the moments that it
// takes.
var heardIsLost = schedule{Seed: 8, Instances: 2, Clients: 2, Topics: 1, Tight: true, Steps: []step{
	{promote, 49, 3, 36}, {publishOne, 6, 0, 56}, {retryOne, 5, 53, 1}, {advance, 43, 0, 3}, {publishOne, 49, 0, 26},
	{lag, 5, 41, 18}, {publishOne, 48, 11, 5}, {lose, 29, 58, 2}, {publishOne, 18, 16, 42}, {advance, 4, 18, 17}, {hop, 2, 51, 25},
	{retryOne, 6, 56, 54}, {promote, 25, 51, 7}, {advance, 40, 25, 17}, {publishOne, 23, 1, 22}, {retryOne, 16, 10, 0},
	{resubscribe, 39, 60, 9}, {advance, 41, 34, 5}, {promote, 6, 62, 10}, {hop, 43, 1, 45}, {advance, 3, 27, 10},
}}

// aHoleEndsTheWindow has more published than is kept while a connection is down, just after a
// client has come back, so that a part of the history is in memory.
var aHoleEndsTheWindow = schedule{Seed: 29, Instances: 2, Clients: 4, Topics: 2, Tight: true, Steps: []step{
	{advance, 24, 0, 28}, {publishMany, 16, 9, 48}, {advance, 2, 19, 3}, {rewind, 24, 2, 5}, {publishMany, 30, 3, 9}, {killSubscriber, 48, 1, 13},
	{advance, 56, 20, 17}, {restart, 19, 0, 5}, {publishOne, 54, 23, 0},
}}

// aHeadGoesAtFirst has a topic's head evicted while an instance has its first publishes to
// the topic under way, which carry no high-water mark.
var aHeadGoesAtFirst = schedule{Seed: 4, Instances: 3, Clients: 2, Topics: 2, Steps: []step{
	{advance, 18, 1, 36}, {publishMany, 2, 16, 2}, {advance, 24, 22, 3}, {advance, 7, 0, 60}, {publishOne, 15, 1, 12}, {publishOne, 0, 14, 45},
	{publishOne, 61, 54, 54}, {publishMany, 62, 5, 1}, {cut, 48, 8, 12}, {retryOne, 6, 27, 1}, {publishOne, 3, 62, 49}, {storm, 0, 11, 1},
	{publishOne, 17, 3, 0}, {hop, 8, 14, 55}, {advance, 1, 29, 12}, {retryOne, 14, 48, 0}, {publishOne, 12, 0, 48}, {evict, 1, 0, 0},
	{publishOne, 61, 52, 4},
}}

// anEpochIsNotHeardOf has a client that asks for the last messages come from a place that
// there never was, to an instance that hasn't heard yet that the history is lost: its own
// head is no place to go on from.
var anEpochIsNotHeardOf = schedule{Seed: 0x51580238066, Instances: 3, Clients: 3, Topics: 2, Steps: []step{
	{advance, 40, 32, 3}, {advance, 2, 45, 0}, {forge, 31, 1, 0}, {advance, 51, 24, 1}, {publishMany, 0, 38, 0}, {promote, 13, 3, 1},
	{resubscribe, 40, 1, 4}, {evict, 50, 18, 13}, {publishOne, 0, 34, 54}, {publishOne, 1, 30, 4}, {publishMany, 22, 9, 2},
	{publishOne, 12, 59, 20}, {advance, 7, 53, 1}, {publishOne, 28, 53, 1},
}}

// theIDIsOfNothing has an event stream cut between the gaps of its two topics: the store is
// frozen, and the last messages of the second are still to be read. The id of the first gap is
// the cursor of nothing, so both topics begin with a gap when the client is back.
var theIDIsOfNothing = schedule{Seed: 1, Instances: 2, Clients: 2, Topics: 2, Steps: []step{
	{publishOne, 1, 0, 0}, {advance, 14, 0, 0}, {freeze, 0, 0, 0}, {forge, 1, 6, 0}, {advance, 9, 0, 0}, {cut, 1, 0, 0}, {advance, 9, 0, 0},
}}
