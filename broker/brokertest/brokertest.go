// Package brokertest is the suite that every broker must pass. It tests a
// backend, where brokers keep their data, and its instances, which are the brokers
// on it. A broker's test says how to make a backend, what the backend can do, and
// why it can't do the rest:
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, func(t testing.TB, o brokertest.Options) brokertest.Backend {
//			server := start(t)
//			return brokertest.Backend{
//				Instance: func(t testing.TB) push.Broker { return mybroker.New(server.Addr()) },
//				Cost:     func(t testing.TB) map[string]int { return map[string]int{"rows": server.Rows(t)} },
//				Cut:      func(t testing.TB, _ push.Broker) { server.DropConnections(t) },
//				Restart:  server.Restart,
//				Erase:    server.Erase,
//				Lacks: map[brokertest.Capability]string{
//					brokertest.Lose: "the server sends each message until it is acknowledged",
//				},
//			}
//		})
//	}
//
// The tests of a single broker run three times: on one instance, and with their
// calls spread over two and over three, so that a test publishes through one
// instance and subscribes and reads through others. Further tests are about
// several instances, messages that are lost on their way, and a backend that
// restarts.
package brokertest

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Options is what a test needs of the brokers of a backend. Zero fields are the
// broker's defaults.
type Options struct {
	History    broker.History
	Topics     []push.TopicRule
	MaxMessage int           // bytes of data
	Retry      time.Duration // how long a message ID is remembered
}

// New makes an empty backend and ends it with the test. t isn't always a
// *testing.T: the suite's own tests record failures.
type New func(t testing.TB, o Options) Backend

// Run runs the suite. Each test has a backend of its own. A test that needs what
// the backend lacks is skipped with the reason.
func Run(t *testing.T, newBackend New) {
	run(t, newBackend, brokerGroups)
}

// RunStore runs the suite of brokers that are also a broker.Store.
func RunStore(t *testing.T, newBackend New) {
	run(t, newBackend, storeGroups)
}

// group is tests that run on the same number of instances.
type group struct {
	name      string // of their common subtest; "" for none
	instances int    // of each test's backend
	needs     []Capability
	tests     []test
}

// test is a test of the suite. It has no subtests, so that it runs on any
// testing.TB.
type test struct {
	name string
	run  func(testing.TB, setup)
}

var brokerGroups = []group{
	{"", 1, nil, []test{{"BackendStatesItsCapabilities", testCapabilities}}},
	{"", 1, nil, brokerTests},
	{"TwoInstances", 2, []Capability{Shared}, brokerTests},
	{"ThreeInstances", 3, []Capability{Shared}, brokerTests},
	{"", 3, []Capability{Shared}, instanceTests},
	{"", 3, []Capability{Shared, Apart}, closeTests},
	{"", 2, []Capability{Shared, Lose}, lossTests},
	{"", 2, []Capability{Shared, Cut}, cutTests},
	{"", 2, []Capability{Shared, Restart}, restartTests},
	{"", 2, []Capability{Shared, Erase}, eraseTests},
	{"States", 1, []Capability{States}, stateTests},
	{"StatesOfTwoInstances", 2, []Capability{States, Shared}, stateTests},
	{"StatesOfThreeInstances", 3, []Capability{States, Shared}, stateTests},
	{"", 2, []Capability{States, Shared, Lose}, stateLossTests},
	{"", 2, []Capability{States, Shared, Restart}, stateRestartTests},
	{"", 2, []Capability{States, Shared, Erase}, stateEraseTests},
	{"", 2, []Capability{States, Shared, Fork}, stateForkTests},
}

var storeGroups = []group{
	{"", 1, nil, storeTests},
	{"TwoInstances", 2, []Capability{Shared}, storeTests},
	{"ThreeInstances", 3, []Capability{Shared}, storeTests},
}

var brokerTests = []test{
	{"OffsetsHaveNoHoles", testOffsets},
	{"AllPartsArrive", testParts},
	{"DataIsCopied", testDataIsCopied},
	{"TopicsAreApart", testTopicsAreApart},
	{"OneReceiverOfTwoTopics", testOneReceiver},
	{"TagsAreRandom", testTags},
	{"BadMessagesAreRefused", testBadMessages},
	{"BadTopicsAreRefused", testBadTopics},
	{"SameIDIsStoredOnce", testSameID},
	{"SameIDAtTheSameTimeIsStoredOnce", testSameIDConcurrently},
	{"DuplicatesDontExtendTheRetryWindow", testRetryWindow},
	{"ReplicatedIsStoredOrReported", testReplicated},
	{"PublishAllStoresInEachTopic", testPublishAll},
	{"PublishAllAgainIsADuplicateInEach", testPublishAllAgain},
	{"PublishAllReportsEachTopicByItself", testPublishAllErrors},
	{"SubscribersSeeOneOrder", testOneOrder},
	{"SubscribingWhilePublishingHasNoSeam", testNoSeam},
	{"NothingAfterUnsubscribe", testUnsubscribe},
	{"SinceReturnsTheRest", testSince},
	{"SinceHeedsLimits", testSinceLimits},
	{"SinceReturnsTheLeastOrNothing", testSinceLeast},
	{"SinceReportsGaps", testSinceGaps},
	{"SinceReportsTrimmed", testTrimmed},
	{"HistoryIsBoundedInBytes", testHistoryBytes},
	{"HistoryIsBoundedInAge", testHistoryAge},
	{"HistoryNeedNotBeBounded", testHistoryWithoutBounds},
	{"FirstTopicRuleDecides", testTopicRules},
	{"TopicRuleBoundsBytes", testTopicRuleBytes},
	{"TopicRuleBoundsAge", testTopicRuleAge},
	{"TopicRuleTellsTheTime", testTopicRuleTime},
	{"RecentReturnsTheNewest", testRecent},
	{"TopicWithoutMessagesHasAPosition", testEmptyTopic},
	{"TopicsThatNobodyPublishesToCostNothing", testCost},
	{"ClosedBrokerRefuses", testClose},
}

func run(t *testing.T, newBackend New, groups []group) {
	t.Helper()
	for _, g := range groups {
		all := func(t *testing.T) {
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, g.setup(newBackend)) })
			}
		}
		if g.name == "" {
			all(t)
		} else {
			t.Run(g.name, all)
		}
	}
}

func (g group) setup(newBackend New) setup { return setup{newBackend, g.instances, g.needs} }
