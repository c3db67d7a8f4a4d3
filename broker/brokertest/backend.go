package brokertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
)

// Backend is where brokers keep their data, and what a test can do to it. The
// suite calls all functions from the test's goroutine.
//
// Instance and Cost are required. Each of the other functions is either there, or
// Lacks says why not; otherwise every test fails.
type Backend struct {
	// Instance makes a broker on the backend's data, as one more instance of the
	// application does. The suite closes it. A backend that is a single process
	// lacks [Apart] and returns the same broker each time: its instances are hubs
	// in that process.
	Instance func(t testing.TB) push.Broker

	// Cost counts what the backend and all its instances hold: keys and bytes in a
	// store, topics and subscriptions in memory, whatever could grow. The suite
	// compares a backend only with itself.
	Cost func(t testing.TB) map[string]int

	// Lose drops the next n messages on their way to an instance. They are stored,
	// and other instances receive them. The suite can't see whether a message was
	// dropped, so Lose should fail the test if none is.
	Lose func(t testing.TB, instance push.Broker, n int)

	// Cut breaks the connections on which the instance receives messages. Those of
	// other instances may break as well. Like Lose, it should fail the test if
	// there is nothing to break.
	Cut func(t testing.TB, instance push.Broker)

	// Restart stops the backend and starts it again with all its data. It returns
	// when the backend accepts connections again.
	Restart func(t testing.TB)

	// Erase makes the backend lose all its data, as a restart without data does.
	Erase func(t testing.TB)

	// Fork makes a topic's newest message another one than instances have seen, as
	// after a failover to a replica that had gone another way. All the rest stays, so
	// the history ends, and a state keeps its keys.
	Fork func(t testing.TB, topic string)

	// Lacks has the reason for each capability that the backend lacks.
	Lacks map[Capability]string
}

// Capability is something that not every backend can do.
type Capability string

// The capabilities. A backend has Shared, Apart and States unless it says that it lacks
// them.
const (
	// Shared means that what is published through one instance is followed and
	// read through every other.
	Shared Capability = "Shared"
	// Apart means that each instance is a broker of its own, and is closed
	// without the others.
	Apart Capability = "Apart"
	// States means that its brokers are each a push.StateBroker.
	States Capability = "States"

	Lose    Capability = "Lose"    // Backend.Lose
	Cut     Capability = "Cut"     // Backend.Cut
	Restart Capability = "Restart" // Backend.Restart
	Erase   Capability = "Erase"   // Backend.Erase
	Fork    Capability = "Fork"    // Backend.Fork
)

// errors lists what is wrong with how the backend describes itself.
func (b *Backend) errors() []string {
	var errors []string
	if b.Instance == nil || b.Cost == nil {
		errors = append(errors, "Instance and Cost are required")
	}
	has := map[Capability]bool{Lose: b.Lose != nil, Cut: b.Cut != nil, Restart: b.Restart != nil, Erase: b.Erase != nil, Fork: b.Fork != nil}
	for capability, has := range has {
		switch _, lacks := b.Lacks[capability]; {
		case !has && !lacks:
			errors = append(errors, fmt.Sprintf("%s is neither there nor in Lacks", capability))
		case has && lacks:
			errors = append(errors, fmt.Sprintf("%s is there and in Lacks", capability))
		}
	}
	for capability, reason := range b.Lacks {
		if _, known := has[capability]; !known && capability != Shared && capability != Apart && capability != States {
			errors = append(errors, fmt.Sprintf("%q in Lacks is no capability", capability))
		}
		if reason == "" {
			errors = append(errors, fmt.Sprintf("Lacks gives no reason for %s", capability))
		}
	}
	slices.Sort(errors)
	return errors
}

// testCapabilities checks that the backend describes itself well. It logs what the
// backend lacks; the tests that need it are skipped.
func testCapabilities(t testing.TB, s setup) {
	b := s.backend(t, Options{})
	for capability, reason := range b.Lacks {
		t.Logf("the backend lacks %s: %s", capability, reason)
	}
	first, second := b.instance(t), b.instance(t)
	if _, same := b.Lacks[Apart]; first == second && !same {
		t.Errorf("two instances are one broker; want two, or %s in Lacks", Apart)
	}
	if _, has := first.(push.StateBroker); has == (b.Lacks[States] != "") {
		t.Errorf("the brokers have states: %v; want it so, or %s in Lacks", has, States)
	}
}

// setup makes a test's brokers.
type setup struct {
	newBackend New
	instances  int
	needs      []Capability
}

// backend makes a backend. It skips the test if the backend lacks what the test
// needs.
func (s setup) backend(t testing.TB, o Options) *backend {
	t.Helper()
	b := &backend{s.newBackend(t, o)}
	if errors := b.errors(); len(errors) > 0 {
		t.Fatalf("the backend doesn't state its capabilities: %s", strings.Join(errors, "; "))
	}
	for _, capability := range s.needs {
		if reason, lacks := b.Lacks[capability]; lacks {
			t.Skipf("the backend lacks %s: %s", capability, reason)
		}
	}
	return b
}

// open makes a backend and returns its instances as one broker.
func (s setup) open(t testing.TB, o Options) push.Broker {
	t.Helper()
	_, brokers := s.several(t, o)
	return spreadOver(brokers)
}

// several makes a backend with some instances.
func (s setup) several(t testing.TB, o Options) (*backend, []push.Broker) {
	t.Helper()
	b := s.backend(t, o)
	brokers := b.some(t, s.instances)
	for _, broker := range brokers {
		if _, ok := broker.(push.StateBroker); !ok && slices.Contains(s.needs, States) {
			t.Fatalf("the broker is no push.StateBroker, and %s isn't in Lacks", States)
		}
	}
	return b, brokers
}

// backend is a Backend that describes itself well.
type backend struct{ Backend }

// instance makes an instance that is closed with the test.
func (b *backend) instance(t testing.TB) push.Broker {
	t.Helper()
	broker := b.Instance(t)
	t.Cleanup(func() { closeBroker(t, broker) })
	return broker
}

func (b *backend) some(t testing.TB, n int) []push.Broker {
	t.Helper()
	brokers := make([]push.Broker, n)
	for i := range brokers {
		brokers[i] = b.instance(t)
	}
	return brokers
}
