package faults_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/broker/faults/link"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestMain is also the main of the instances that tests start to kill them.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == childArgument {
		fmt.Fprintln(os.Stderr, runChild(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	logging.Disable() // the client would report each connection that is refused
	// The tests wait far more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	// A connection that a link resets leaves this goroutine of toxiproxy's behind.
	testaid.Main(m, goleak.IgnoreTopFunction("github.com/Shopify/toxiproxy/v2/toxics.(*NoopToxic).Pipe"))
}

// patience is how long a test waits for what must come; bounds that are promised are checked besides.
const patience = testaid.Patience

// quietMachine says that nothing else runs here, so that what takes longer than is promised is our fault.
var quietMachine = flag.Bool("quiet", false, "fail where something takes longer than is promised")

// unaided is a broker that doesn't look by itself, so that what should come at once can't come late unnoticed.
var unaided = redisbroker.Options{Check: time.Hour}

var quiet = slog.New(slog.DiscardHandler)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testaid.Eventually(t, what, condition)
}

// within tells if more time has passed than is promised, and on a quiet machine fails the test.
func within(t *testing.T, what string, promised time.Duration, begin time.Time) {
	t.Helper()
	took := time.Since(begin).Round(time.Millisecond) //clock:real it is only judged on a quiet machine
	if took <= promised {
		return
	}
	t.Logf("%s took %v; %v are promised", what, took, promised)
	if *quietMachine {
		t.Fail()
	}
}

// closing closes what was started with the test.
func closing[T io.Closer](t *testing.T) func(T, error) T {
	return func(started T, err error) T {
		t.Helper()
		check(t, err)
		t.Cleanup(func() { check(t, started.Close()) })
		return started
	}
}

func startServer(t *testing.T, args ...string) *redistest.Server {
	t.Helper()
	return closing[*redistest.Server](t)(redistest.Start(t.TempDir(), args...))
}

func startReplica(t *testing.T, primary *redistest.Server) *redistest.Server {
	t.Helper()
	return closing[*redistest.Server](t)(redistest.StartReplica(t.TempDir(), primary))
}

func startCluster(t *testing.T, args ...string) *redistest.Cluster {
	t.Helper()
	return closing[*redistest.Cluster](t)(redistest.StartCluster(t.TempDir(), 3, 1, nodeTimeout, args...))
}

const (
	downAfter   = time.Second
	nodeTimeout = 1500 * time.Millisecond
)

// calm is how long a node may be silent before another takes over, where no failover is the subject: a busy machine must
// cause none.
const calm = time.Minute

// calmCluster are the arguments of startCluster by which it is calm.
var calmCluster = []string{"--cluster-node-timeout", strconv.FormatInt(calm.Milliseconds(), 10)}

// startSentinels starts a primary, a replica and three Sentinels.
func startSentinels(t *testing.T, downAfter time.Duration) (primary, replica *redistest.Server, sentinels *redistest.Sentinels) {
	t.Helper()
	primary = startServer(t)
	replica = startReplica(t, primary)
	return primary, replica, closing[*redistest.Sentinels](t)(redistest.StartSentinels(t.TempDir(), 3, primary, downAfter))
}

// connect makes a client of one server, with the client's defaults.
func connect(t *testing.T, s *redistest.Server) *redis.Client {
	t.Helper()
	return closing[*redis.Client](t)(redis.NewClient(s.Options()), nil)
}

// startLink opens a link to a server.
func startLink(t *testing.T, s *redistest.Server) *link.Link {
	t.Helper()
	return closing[*link.Link](t)(link.New(s.Addr()))
}

// connectAt makes a client of an address, as of a link.
func connectAt(t *testing.T, addr string) *redis.Client {
	t.Helper()
	return closing[*redis.Client](t)(redis.NewClient(&redis.Options{Addr: addr}), nil)
}

func newBroker(t *testing.T, client redis.UniversalClient, o redisbroker.Options) *redisbroker.Broker {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	b := redisbroker.New(client, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func publish(t *testing.T, b push.Publisher, topic, data string) push.Receipt {
	t.Helper()
	receipt, err := b.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(data)})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return receipt
}

// awaitPublish waits until publishing works, and gives what it has published.
func awaitPublish(t *testing.T, b push.Publisher, m push.Message) push.Receipt {
	t.Helper()
	var receipt push.Receipt
	await(t, "publishing", func() bool {
		var err error
		receipt, err = b.Publish(t.Context(), m)
		return err == nil
	})
	return receipt
}

var prefixes atomic.Int64

// prefix is one that no other broker has.
func prefix() string { return fmt.Sprintf("tidewire:test%d:", prefixes.Add(1)) }
