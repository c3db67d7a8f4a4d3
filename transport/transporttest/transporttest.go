// Package transporttest is the suite that every transport must pass, and plain
// clients for tests of what lies above. A transport's test hands it a
// constructor and a way to connect:
//
//	func TestTransport(t *testing.T) {
//		transporttest.Run(t, transporttest.Harness{
//			New:  func(hub *push.Hub) transporttest.Transport { return sse.New(hub) },
//			Patient: func(hub *push.Hub) transporttest.Transport {
//				return sse.New(hub, sse.Options{WriteTimeout: time.Hour, AckTimeout: -1})
//			},
//			Dial: transporttest.DialSSE,
//		})
//	}
package transporttest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Transport is what the suite tests.
type Transport interface {
	http.Handler
	push.Publisher
	session.Format
}

// Harness is what the suite needs of a transport.
type Harness struct {
	New  func(hub *push.Hub) Transport
	Dial Dial
	// Patient is New, but for a transport that waits for as long as a test takes for a
	// client that takes nothing.
	Patient func(hub *push.Hub) Transport
	// ByPost says that Dial makes POSTs, with a form that has what a GET has in its URL.
	ByPost bool
	// Topics is how many topics fit one connection. Zero means those that fit a cursor in a URL.
	Topics int
	// Raw says that a message comes to clients of Dial without its parts, as DialRaw
	// describes. The suite then leaves out what looks at these.
	Raw bool
	// Polls says that a client has no connection between one answer and the next, and asks
	// again for each. The suite then leaves out what happens to a connection, which
	// is for the transport's own tests.
	Polls bool
	// TwoWay dials clients that have Send, over connections like those of a transport. Nil:
	// the transport has none, and the suite leaves out what they do.
	TwoWay func(like *http.Transport) Dial
}

// ofConnections are the tests of what happens to a connection that lasts.
var ofConnections = []string{
	"WelcomeSaysWhenTheIdentityExpires", "RefreshedSessionLives", "RevokedTopicIsLost", "LosesATopicWithItsRights", "LimitsHold", "LimitsHoldForManyAtOnce",
	"PublishesToItsOwnClientsOnly", "StalledReaderIsCutAlone", "ShutdownSaysFarewell", "ShutdownCutsTheStalled",
}

// Run runs the suite. Each test gets a hub and a server of its own.
func Run(t *testing.T, h Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"WelcomeComesFirst", testWelcome},
		{"MessagesArriveWhole", testParts},
		{"FramesMoveTheCursor", testFrames},
		{"ResumesAfterAnyEvent", testResume},
		{"ResumesBeforeTheFirstMessage", testResumeFromWelcome},
		{"TellsGaps", testGaps},
		{"TopicNewToTheCursorStartsNow", testNewTopic},
		{"BeginsWithTheLastMessages", testRecent},
		{"BeginsWithTheLastMessagesWhilePublishing", testRecentAtOnce},
		{"FollowsAState", testStates},
		{"ResetsAState", testStateResets},
		{"StatesAndLogsAreAskedForAsSuch", testWrongKind},
		{"RefusedTopicLeavesTheOthers", testRefusedTopic},
		{"AllTopicsRefused", testAllRefused},
		{"BadNameLeavesTheOthers", testBadName},
		{"OneTopicTooManyLeavesTheOthers", testTooManyTopics},
		{"TopicsAreLimited", testTopicRates},
		{"TopicsAreBytes", testTopicsAreBytes},
		{"UnknownUserIsRefused", testUnauthenticated},
		{"ForeignOriginIsRefused", testOrigin},
		{"DrainingHubRefuses", testDraining},
		{"SlowAuthorizeIsBounded", testSlowAuthorize},
		{"PanicInAuthorizeIsContained", testPanic},
		{"ExpiredIdentityIsRefused", testExpiry},
		{"WelcomeSaysWhenTheIdentityExpires", testWelcomeExpires},
		{"RefreshedSessionLives", testRefresh},
		{"RevokedUserIsOut", testRevokedUser},
		{"RevokedTopicIsLost", testRevokedTopic},
		{"LosesATopicWithItsRights", testWithdrawn},
		{"LimitsHold", testLimits},
		{"LimitsHoldForManyAtOnce", testLimitsAtOnce},
		{"FailuresAreLimited", testFailures},
		{"OpensAreLimited", testOpens},
		{"PublishesToItsOwnClientsOnly", testPublisher},
		{"StalledReaderIsCutAlone", testStalledReader},
		{"ShutdownSaysFarewell", testShutdown},
		{"ShutdownCutsTheStalled", testShutdownStalled},
		{"SendFollowsASlowSubscribe", testOrder},
	}
	h.Topics = cmp.Or(h.Topics, cursor.MaxTopics)
	for _, test := range tests {
		if h.Raw && slices.Contains(framed, test.name) || h.Polls && slices.Contains(ofConnections, test.name) ||
			h.TwoWay == nil && slices.Contains(twoWay, test.name) {
			continue
		}
		t.Run(test.name, func(t *testing.T) { test.run(t, h) })
	}
}

// framed are the tests of what only frames have.
var framed = []string{"MessagesArriveWhole", "FollowsAState", "ResetsAState", "StatesAndLogsAreAskedForAsSuch"}

// twoWay are the tests of what clients send.
var twoWay = []string{"SendFollowsASlowSubscribe"}

// site is a hub behind a server.
type site struct {
	t         *testing.T
	hub       *push.Hub
	transport Transport
	address   string
	dial      Dial
	byPost    bool
}

// open starts a site that ends with the test.
func open(t *testing.T, h Harness, options push.Options) *site {
	t.Helper()
	return openOn(t, h, membroker.New(membroker.Options{MaxMessage: 1 << 20}), options)
}

func openOn(t *testing.T, h Harness, broker push.Broker, options push.Options) *site {
	t.Helper()
	if options.Authorize == nil {
		options.Authorize = push.Anyone
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &site{t: t, hub: push.New(broker, options), dial: h.Dial, byPost: h.ByPost}
	s.transport = h.New(s.hub)
	server := httptest.NewUnstartedServer(s.transport)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	s.address = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.hub.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if stats := s.hub.Stats(); stats.Sessions == 0 && stats.Memory != 0 {
			t.Errorf("%d bytes are counted for nobody", stats.Memory)
		}
		server.Close()
	})
	return s
}

// patience is how long the suite waits for what must come. It ends a broken
// test; no test passes by it.
const patience = testaid.Patience

// connect opens a client, which must be welcomed. It ends with the test.
func (s *site) connect(topics []string, since string) *Client {
	s.t.Helper()
	c, err := s.tryConnect(topics, since)
	if err != nil {
		s.t.Fatalf("dial: %v", err)
	}
	if f := s.next(c); f.Type != protocol.TypeWelcome {
		s.t.Fatalf("first frame is %+v", f)
	}
	return c
}

func (s *site) tryConnect(topics []string, since string) (*Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	c, err := s.dial(ctx, s.address, topics, since)
	if err == nil {
		s.t.Cleanup(c.Close)
	}
	return c, err
}

func (s *site) next(c *Client) Frame {
	s.t.Helper()
	f, err := c.Next()
	if err != nil {
		s.t.Fatalf("Next: %v", err)
	}
	return f
}

// publish stores a message.
func (s *site) publish(topic, data string) push.Receipt {
	s.t.Helper()
	receipt, err := s.hub.Publish(context.Background(), push.Message{Topic: topic, Data: []byte(data)})
	if err != nil {
		s.t.Fatalf("Publish: %v", err)
	}
	return receipt
}

// wantData fails unless the next frames are messages with these data.
func (s *site) wantData(c *Client, want ...string) {
	s.t.Helper()
	for _, data := range want {
		if f := s.next(c); f.Type != protocol.TypeMessage || string(f.Data) != data {
			s.t.Fatalf("got %+v, want the message %q", f, data)
		}
	}
}

// names gives n topics.
func names(n int) []string {
	topics := make([]string, n)
	for i := range topics {
		topics[i] = fmt.Sprintf("topic/%d", i)
	}
	return topics
}

// eventually waits until check holds.
func (s *site) eventually(what string, check func() bool) {
	s.t.Helper()
	testaid.Eventually(s.t, what, check)
}
