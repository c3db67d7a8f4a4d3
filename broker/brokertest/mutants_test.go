package brokertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
)

// TestRightBackendPasses runs all of the suite on a backend that is as it should be.
func TestRightBackendPasses(t *testing.T) {
	for name, r := range record(t, right, slices.Concat(brokerGroups, storeGroups)) {
		if r.failed() || r.skipped != "" {
			t.Errorf("%s: failures %q, skipped %q", name, r.failures, r.skipped)
		}
	}
}

func right(t testing.TB, o Options) Backend { return newReference(o, faults{}).backend(t) }

// TestWrongBackendsFail runs the suite on backends of which one thing is wrong each,
// and wants the test that is about that to fail.
func TestWrongBackendsFail(t *testing.T) {
	mutants := []struct {
		name  string
		fails []string // tests that must
		make  New
	}{
		{"each instance has a memory of its own", []string{
			"TwoInstances/SinceReturnsTheRest", "ThreeInstances/SubscribersSeeOneOrder", "InstancesSeeOneOrder", "RetryElsewhereIsADuplicate",
			"ConflictElsewhereIsRefused", "HistoryIsTheSameEverywhere", "HeadsAndGapsAgree", "NewInstanceKnowsWhatWasThere",
		}, local},
		{"a message is lost", []string{"SubscribersSeeOneOrder"}, receiving(func(r push.Receiver) push.Receiver { return loses{r} })},
		{"a message comes twice", []string{"SubscribersSeeOneOrder"}, receiving(func(r push.Receiver) push.Receiver { return doubles{r} })},
		{"two messages change positions", []string{"SubscribersSeeOneOrder"}, receiving(func(r push.Receiver) push.Receiver { return &swaps{Receiver: r} })},
		{"a broken chain isn't reported", []string{"LossBeyondHistoryIsReported", "LostDataIsReported", "LostDataIsReportedInSilence"}, receiving(func(r push.Receiver) push.Receiver { return hushes{r} })},
		{"what comes after a loss is passed on", []string{"LossIsRepairedOrReported"}, wrong(faults{trusts: true})},
		{"a loss is found by the next message alone", []string{
			"LossThenSilenceIsRepairedOrReported", "CutThenSilenceIsRepairedOrReported", "LostDataIsReportedInSilence",
		}, wrong(faults{waits: true})},
		{"a restart loses the data", []string{"RestartWithDataLosesNothing"}, wrong(faults{loses: true})},
		{"one instance closes all", []string{"CloseLeavesOtherInstances"}, wrong(faults{closesAll: true})},
		{"a retry is stored again", []string{"SameIDIsStoredOnce"}, changing(func(b push.Broker) push.Broker { return forgetful{b} })},
		{"a retry elsewhere is stored again", []string{"TwoInstances/SameIDIsStoredOnce", "RetryElsewhereIsADuplicate", "RetriesEverywhereAtOnceAreOne"},
			changing(func(b push.Broker) push.Broker { return &selfish{Broker: b, mine: map[string]bool{}} })},
		{"a retry gets another position", []string{"SameIDIsStoredOnce", "RetryElsewhereIsADuplicate"}, changing(func(b push.Broker) push.Broker { return vague{b} })},
		{"other data under the same ID are taken for a retry", []string{"SameIDIsStoredOnce", "ConflictElsewhereIsRefused"},
			changing(func(b push.Broker) push.Broker { return credulous{b} })},
		{"a fork isn't reported", []string{"SinceReportsGaps", "HeadsAndGapsAgree"}, changing(func(b push.Broker) push.Broker { return trusting{b} })},
		{"an instance keeps the first head that it sees", []string{"TwoInstances/RecentReturnsTheNewest", "HeadsAndGapsAgree"},
			changing(func(b push.Broker) push.Broker { return &stale{Broker: b, heads: map[string]push.Position{}} })},
		{"a subscription never ends", []string{"NothingAfterUnsubscribe", "UnsubscribeLeavesOtherInstances"},
			clings},
		{"a subscription ends on all instances", []string{"UnsubscribeLeavesOtherInstances"}, ending},
		{"an ID is remembered for too long", []string{"DuplicatesDontExtendTheRetryWindow"}, remembers},
		{"a duplicate extends the retry window", []string{"DuplicatesDontExtendTheRetryWindow"}, extending},
		{"topics that were asked for are remembered", []string{"TopicsThatNobodyPublishesToCostNothing"}, remembering},
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			results := record(t, m.make, brokerGroups)
			for _, name := range m.fails {
				if r, there := results[name]; !there || !r.failed() {
					t.Errorf("%s: want a failure; it was %+v", name, r)
				}
			}
			failed := failures(results)
			t.Logf("%d tests failed: %s", len(failed), strings.Join(failed, ", "))
		})
	}
}

// failures gives the names of the tests that failed.
func failures(results map[string]result) []string {
	maps.DeleteFunc(results, func(_ string, r result) bool { return !r.failed() })
	return slices.Sorted(maps.Keys(results))
}

// TestLocalMemoryPassesOnOneInstance shows why the suite needs several: a broker of a
// single process does all that is asked of one instance.
func TestLocalMemoryPassesOnOneInstance(t *testing.T) {
	for name, r := range record(t, local, brokerGroups[:2]) {
		if r.failed() {
			t.Errorf("%s: %q", name, r.failures)
		}
	}
}

// TestNothingIsSkippedSilently has backends that don't say what they lack, or say what
// isn't so.
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

// TestWhatIsLackedIsNamed has a backend that says what it lacks: the tests that need it
// are skipped with that reason, and no others.
func TestWhatIsLackedIsNamed(t *testing.T) {
	for _, capability := range []Capability{Shared, Apart, Lose, Cut, Restart, Erase} {
		t.Run(string(capability), func(t *testing.T) {
			results := record(t, func(t testing.TB, o Options) Backend {
				b := right(t, o)
				b.Lacks = map[Capability]string{capability: "for a reason"}
				switch capability {
				case Lose:
					b.Lose = nil
				case Cut:
					b.Cut = nil
				case Restart:
					b.Restart = nil
				case Erase:
					b.Erase = nil
				}
				return b
			}, brokerGroups)
			for _, g := range brokerGroups {
				for _, test := range g.tests {
					name := strings.TrimPrefix(g.name+"/"+test.name, "/")
					want := ""
					if slices.Contains(g.needs, capability) {
						want = fmt.Sprintf("the backend lacks %s: for a reason", capability)
					}
					if r := results[name]; r.failed() || r.skipped != want {
						t.Errorf("%s: failures %q, skipped %q, want %q", name, r.failures, r.skipped, want)
					}
				}
			}
		})
	}
}

// TestOneBrokerIsNotTwoInstances has a backend that gives the same broker twice.
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

// TestStoreOfOneInstanceFails has stores that aren't shared.
func TestStoreOfOneInstanceFails(t *testing.T) {
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
