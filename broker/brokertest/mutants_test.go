package brokertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// TestRightBackendPasses runs the whole suite on a backend without faults.
func TestRightBackendPasses(t *testing.T) {
	for name, r := range record(t, right, slices.Concat(brokerGroups, storeGroups)) {
		if r.failed() || r.skipped != "" && !needsFork(name) {
			t.Errorf("%s: failures %q, skipped %q", name, r.failures, r.skipped)
		}
	}
}

// needsFork reports whether a test needs what the reference can't do.
func needsFork(name string) bool {
	return slices.ContainsFunc(stateForkTests, func(test test) bool { return test.name == name })
}

func right(t testing.TB, o Options) Backend { return newReference(o, faults{}).backend(t) }

// TestWrongBackendsFail runs the suite on backends with one fault each. The tests that
// look for that fault must fail.
func TestWrongBackendsFail(t *testing.T) {
	mutants := []struct {
		name string
		make New
		want []string // tests that must fail
	}{
		{"each instance has a memory of its own", local, []string{
			"TwoInstances/SinceReturnsTheRest", "ThreeInstances/SubscribersSeeOneOrder", "InstancesSeeOneOrder",
			"RetryElsewhereIsADuplicate", "ConflictElsewhereIsRefused", "HistoryIsTheSameEverywhere", "HeadsAndGapsAgree",
			"NewInstanceKnowsWhatWasThere",
		}},
		{"a message is lost", receiving(func(r push.Receiver) push.Receiver { return loses{r} }), []string{"SubscribersSeeOneOrder"}},
		{"a message comes twice", receiving(func(r push.Receiver) push.Receiver { return doubles{r} }), []string{"SubscribersSeeOneOrder"}},
		{"two messages are swapped", receiving(func(r push.Receiver) push.Receiver { return &swaps{Receiver: r} }), []string{"SubscribersSeeOneOrder"}},
		{"a broken chain isn't reported", receiving(func(r push.Receiver) push.Receiver { return hushes{r} }), []string{
			"LossBeyondHistoryIsReported", "LostDataIsReported", "LostDataIsReportedWithoutTraffic",
		}},
		{"what follows a loss is passed on", wrong(faults{trusts: true}), []string{"LossIsRepairedOrReported", "LostChangesAreMadeGood"}},
		{"only the next message shows a loss", wrong(faults{waits: true}), []string{
			"LossThenSilenceIsRepairedOrReported", "CutThenSilenceIsRepairedOrReported", "LostDataIsReportedWithoutTraffic",
		}},
		{"a restart loses the data", wrong(faults{loses: true}), []string{"RestartWithDataLosesNothing", "RestartKeepsTheState"}},
		{"one instance closes all", wrong(faults{closesAll: true}), []string{"CloseLeavesOtherInstances"}},
		{"a retry is stored again", changing(func(b push.Broker) push.Broker { return forgetful{b} }), []string{"SameIDIsStoredOnce"}},
		{"a retry elsewhere is stored again", changing(func(b push.Broker) push.Broker { return &selfish{Broker: b, mine: map[string]bool{}} }), []string{
			"TwoInstances/SameIDIsStoredOnce", "RetryElsewhereIsADuplicate", "RetriesEverywhereAtOnceAreOne",
		}},
		{"a retry gets another position", changing(func(b push.Broker) push.Broker { return vague{b} }), []string{
			"SameIDIsStoredOnce", "RetryElsewhereIsADuplicate",
		}},
		{"a conflict passes for a retry", changing(func(b push.Broker) push.Broker { return credulous{b} }), []string{
			"SameIDIsStoredOnce", "ConflictElsewhereIsRefused",
		}},
		{"an ID is remembered for too long", remembers, []string{"DuplicatesDontExtendTheRetryWindow"}},
		{"a duplicate extends the retry window", extending, []string{"DuplicatesDontExtendTheRetryWindow"}},
		{"a fork isn't reported", changing(func(b push.Broker) push.Broker { return trusting{b} }), []string{"SinceReportsGaps", "HeadsAndGapsAgree"}},
		{"an instance keeps the first head that it sees", changing(func(b push.Broker) push.Broker {
			return &stale{Broker: b, heads: map[string]broker.Position{}}
		}), []string{"TwoInstances/RecentReturnsTheNewest", "HeadsAndGapsAgree"}},
		{"a subscription never ends", clings, []string{"NothingAfterUnsubscribe", "UnsubscribeLeavesOtherInstances"}},
		{"a subscription ends on all instances", ending, []string{"UnsubscribeLeavesOtherInstances"}},
		{"the end of a subscription ends the receiver's others", changing(func(b push.Broker) push.Broker {
			return &sweeping{Broker: b, topics: map[push.Receiver][]string{}}
		}), []string{"OneReceiverOfTwoTopics"}},
		{"a message comes after Unsubscribe has returned", dawdling, []string{"NothingAfterUnsubscribe"}},
		{"a closed instance goes on", undying, []string{"CloseLeavesOtherInstances"}},
		{"a tag is the offset", counting, []string{"TagsAreRandom"}},
		{"each gap passes for a trimmed history", receiving(func(r push.Receiver) push.Receiver { return belittles{r} }), []string{"LostDataIsReported"}},
		{"a delete is lost", receiving(func(r push.Receiver) push.Receiver { return spares{r} }), []string{
			"States/ChangesMakeTheState", "StatesOfTwoInstances/KeyEndsForAllWhileNobodyWrites", "LostChangesAreMadeGood",
		}},
		{"a piece is appended twice", altered{publish: repeatsPieces}.backend, []string{
			"States/ChangesMakeTheState", "States/PiecesAreWholeInUTF16",
		}},
		{"a piece begins at a byte", receiving(func(r push.Receiver) push.Receiver { return &countsBytes{r, map[string]int{}} }), []string{
			"States/PiecesAreWholeInUTF16", "States/StateIsItsChangesReplayed",
		}},
		{"a key that is due is listed", altered{state: listsAll()}.backend, []string{"States/KeyThatIsDueIsNotThere"}},
		{"a key never ends", altered{publish: keeps}.backend, []string{
			"States/KeyEndsForAllWhileNobodyWrites", "States/ManyKeysEndAtOnce", "States/RuleSaysHowLongAKeyStays", "RestartKeepsTheState",
		}},
		{"a touch does nothing", altered{publish: untouched}.backend, []string{"States/TouchKeepsAKey"}},
		{"a condition always holds", altered{publish: holdsAlways}.backend, []string{
			"States/OneOfManyConditionsHolds", "States/OneOfManyIsFirst", "StatesOfThreeInstances/OneOfManyConditionsHolds",
		}},
		{"the condition is checked before the ID", altered{publish: conflicts}.backend, []string{"States/RetriedChangeIsADuplicate"}},
		{"a state has no bounds", boundless, []string{"States/StateIsBounded"}},
		{"a delete of nothing is a change", altered{publish: deletesNothing}.backend, []string{
			"States/DeleteOfNothingIsADuplicate", "States/PublishAllChangesEachTopic",
		}},
		{"a log takes changes", altered{publish: confuses}.backend, []string{"States/LogAndStateAreApart"}},
		{"the state of another epoch is shown", altered{state: outlives()}.backend, []string{"LostStateIsReported"}},
		{"states that were read are remembered", rememberingStates, []string{"States/StatesThatNobodyChangesCostNothing"}},
		{"any name is a topic", changing(func(b push.Broker) push.Broker { return careless{b} }), []string{"BadTopicsAreRefused"}},
		{"topics that were read are remembered", remembering, []string{"TopicsThatNobodyPublishesToCostNothing"}},
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			results := record(t, m.make, brokerGroups)
			for _, name := range m.want {
				if r, there := results[name]; !there || !r.failed() {
					t.Errorf("%s: want a failure; it was %+v", name, r)
				}
			}
			failed := failures(results)
			t.Logf("%d tests failed: %s", len(failed), strings.Join(failed, ", "))
		})
	}
}

// failures returns the names of the tests that failed.
func failures(results map[string]result) []string {
	maps.DeleteFunc(results, func(_ string, r result) bool { return !r.failed() })
	return slices.Sorted(maps.Keys(results))
}

// TestLocalMemoryPassesOnOneInstance shows why the suite needs several instances: with
// one, a broker that shares nothing passes.
func TestLocalMemoryPassesOnOneInstance(t *testing.T) {
	for name, r := range record(t, local, brokerGroups[:2]) {
		if r.failed() {
			t.Errorf("%s: %q", name, r.failures)
		}
	}
}

// TestNothingIsSkippedSilently uses backends that don't state their capabilities, or
// state them wrongly: every test fails.
func TestNothingIsSkippedSilently(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Backend)
		want   string // in the failure of each test
	}{
		{"Nothing", func(b *Backend) { *b = Backend{} }, "Instance and Cost are required"},
		{"NoCost", func(b *Backend) { b.Cost = nil }, "Instance and Cost are required"},
		{"NoLose", func(b *Backend) { b.Lose = nil }, "Lose is neither"},
		{"NoCut", func(b *Backend) { b.Cut = nil }, "Cut is neither"},
		{"NoRestart", func(b *Backend) { b.Restart = nil }, "Restart is neither"},
		{"NoErase", func(b *Backend) { b.Erase = nil }, "Erase is neither"},
		{"LacksWhatIsThere", func(b *Backend) { b.Lacks = map[Capability]string{Lose: "no"} }, "Lose is there and in Lacks"},
		{"LacksWithoutReason", func(b *Backend) { b.Lacks = map[Capability]string{Shared: ""} }, "no reason for Shared"},
		{"LacksWhatNobodyKnows", func(b *Backend) { b.Lacks = map[Capability]string{"Fly": "no wings"} }, `"Fly" in Lacks is no capability`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			results := record(t, func(t testing.TB, o Options) Backend {
				b := right(t, o)
				test.change(&b)
				return b
			}, brokerGroups)
			for name, r := range results {
				if !strings.Contains(strings.Join(r.failures, "\n"), test.want) {
					t.Errorf("%s: failures %q, want %q", name, r.failures, test.want)
				}
			}
		})
	}
}

// TestMissingCapabilityIsNamed uses a backend that lacks a capability and says why. The
// tests that need it, and no others, are skipped with the reason.
func TestMissingCapabilityIsNamed(t *testing.T) {
	for _, capability := range []Capability{Shared, Apart, States, Lose, Cut, Restart, Erase} {
		t.Run(string(capability), func(t *testing.T) {
			results := record(t, func(t testing.TB, o Options) Backend {
				b := right(t, o)
				if capability == States {
					b = changing(func(b push.Broker) push.Broker { return &stateless{b} })(t, o)
				}
				b.Lacks[capability] = "for a reason"
				switch capability {
				case Lose:
					b.Lose = nil
				case Cut:
					b.Cut = nil
				case Restart:
					b.Restart = nil
				case Erase:
					b.Erase = nil
				case Shared, Apart, States, Fork: // nothing but Lacks says so
				}
				return b
			}, brokerGroups)
			for _, g := range brokerGroups {
				for _, test := range g.tests {
					name := strings.TrimPrefix(g.name+"/"+test.name, "/")
					want := ""
					for _, need := range g.needs {
						if reason := map[Capability]string{Fork: noFork, capability: "for a reason"}[need]; reason != "" && want == "" {
							want = fmt.Sprintf("the backend lacks %s: %s", need, reason)
						}
					}
					if r := results[name]; r.failed() || r.skipped != want {
						t.Errorf("%s: failures %q, skipped %q, want %q", name, r.failures, r.skipped, want)
					}
				}
			}
		})
	}
}

// TestOneBrokerIsNotTwoInstances uses a backend that returns the same broker twice.
func TestOneBrokerIsNotTwoInstances(t *testing.T) {
	results := record(t, func(t testing.TB, o Options) Backend {
		b := right(t, o)
		one := b.Instance(t)
		b.Instance = func(testing.TB) push.Broker { return one }
		return b
	}, brokerGroups[:1])
	if !results["BackendStatesItsCapabilities"].failed() {
		t.Error("it passes")
	}
}

// TestLocalStoreFails uses stores that aren't shared.
func TestLocalStoreFails(t *testing.T) {
	results := record(t, local, storeGroups)
	for _, name := range []string{"TwoInstances/ValueIsTakenOnce", "ThreeInstances/OlderNeverReplacesNewer"} {
		if !results[name].failed() {
			t.Errorf("%s passes", name)
		}
	}
	for _, test := range storeTests {
		if r := results[test.name]; r.failed() {
			t.Errorf("%s on one instance: %q", test.name, r.failures)
		}
	}
}
