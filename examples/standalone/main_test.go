package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport/protocol"
	"github.com/tidewire/tidewire/transport/transporttest"
)

func TestMain(m *testing.M) { servetest.Main(m, main) }

func TestPublishReachesFollowers(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-publish-key", "secret")
	stream := s.Follow(t, "news", "")
	status, body := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer secret")
	if status != http.StatusOK {
		t.Fatalf("publish: %d %s", status, body)
	}
	frame, _ := stream.Next(t)
	if frame.Type != "message" || string(frame.Data) != `"hello"` {
		t.Errorf("got %+v", frame)
	}
}

func TestTheKeyComesFromTheEnvironment(t *testing.T) {
	t.Setenv("TIDEWIRE_PUBLISH_KEY", "secret")
	s := servetest.Start(t, run, "-anyone")
	for key, want := range map[string]int{"secret": http.StatusOK, "guess": http.StatusUnauthorized} {
		status, _ := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer "+key)
		if status != want {
			t.Errorf("with the key %s: %d, want %d", key, status, want)
		}
	}
}

func TestWithoutAKeyNobodyPublishes(t *testing.T) {
	t.Setenv("TIDEWIRE_PUBLISH_KEY", "")
	s := servetest.Start(t, run, "-anyone")
	if status, _ := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer "); status != http.StatusForbidden {
		t.Errorf("got %d", status)
	}
}

func TestRelay(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-relay")
	stream := s.Follow(t, "news", "")
	status, body := s.Do(t, http.MethodPost, "/push/send?topic=news&id=one", "hello")
	var answer struct {
		Data struct {
			ID, Epoch string
			Offset    uint64
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %s", status, body)
	}
	if receipt := answer.Data; receipt.ID != "one" || receipt.Offset != 1 || receipt.Epoch == "" {
		t.Errorf("the receipt is %+v", receipt)
	}
	if frame, _ := stream.Next(t); frame.ID != "one" || string(frame.Data) != `"hello"` {
		t.Errorf("got %+v", frame)
	}
}

func TestWithoutRelayClientsCannotSend(t *testing.T) {
	s := servetest.Start(t, run, "-anyone")
	if status, _ := s.Do(t, http.MethodPost, "/push/send?topic=news", "hello"); status != http.StatusForbidden {
		t.Errorf("got %d", status)
	}
}

func TestWithoutAnyoneNobodyMayFollow(t *testing.T) {
	s := servetest.Start(t, run, "-relay")
	for _, try := range []struct{ method, path, body string }{
		{http.MethodGet, "/push/sse?topic=news", ""},
		{http.MethodPost, "/push/send?topic=news", "hello"},
	} {
		if status, body := s.Do(t, try.method, try.path, try.body); status != http.StatusForbidden {
			t.Errorf("%s: got %d %s", try.path, status, body)
		}
	}
}

func TestAnAddressInUse(t *testing.T) {
	s := servetest.Start(t, run, "-anyone")
	if err := run(t.Context(), []string{"-anyone", "-addr", strings.TrimPrefix(s.URL, "http://")}, t.Output()); err == nil {
		t.Error("two servers listen on one address")
	}
}

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestReadyWhileRedisIs(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	s := servetest.Start(t, run, "-anyone", "-redis", "redis://"+server.Addr()+"?dial_timeout=100ms&max_retries=-1")
	if status, body := s.Do(t, http.MethodGet, "/readyz", ""); status != http.StatusOK {
		t.Errorf("with Redis: %d %s", status, body)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodHead, http.MethodGet} { // a balancer may ask by either
		if status, body := s.Do(t, method, "/readyz", ""); status == http.StatusNotFound {
			t.Errorf("%s /readyz: %d %s", method, status, body)
		}
	}
	if status, _ := s.Do(t, http.MethodPut, "/", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("PUT to the page: %d", status)
	}
	testaid.Eventually(t, "without Redis it isn't ready", func() bool {
		status, body := s.Do(t, http.MethodGet, "/readyz", "")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "broker")
	})
	if status, _ := s.Do(t, http.MethodGet, "/healthz", ""); status != http.StatusOK {
		t.Errorf("alive without Redis: %d", status)
	}
}

func TestThePageIsUnderAStrictPolicy(t *testing.T) {
	s, err := prepare(&config.Config{Anyone: true})
	if err != nil {
		t.Fatal(err)
	}
	hub := newHub(s.config, s.users, membroker.New())
	defer hub.Shutdown(t.Context())
	answer := get(t, s.routes(hub), "/")
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "Tidewire") {
		t.Fatalf("got %d", answer.Code)
	}
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none';") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestShutdownSendsFollowersAway(t *testing.T) {
	s := servetest.Start(t, run, "-anyone")
	stream := s.Follow(t, "news", "")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if frame, _ := stream.Next(t); frame.Type != "reconnect" {
		t.Errorf("the last frame is %+v", frame)
	}
	if frame, more := stream.Next(t); more {
		t.Errorf("after the farewell comes %+v", frame)
	}
}

// TestSIGTERMUnderLoad has clients of all kinds follow what is published as fast as it
// goes, and then ends the process.
func TestSIGTERMUnderLoad(t *testing.T) {
	p := servetest.StartProcess(t, "-anyone", "-publish-key", "secret", "-drain-delay", "10ms")
	http2 := &http.Transport{Protocols: new(http.Protocols)}
	http2.Protocols.SetUnencryptedHTTP2(true)
	var clients []*transporttest.Client
	for _, kind := range []struct {
		dial  transporttest.Dial
		route string
	}{
		{transporttest.DialSSE, "/push/sse"}, {transporttest.SSEOver(http2), "/push/sse"}, {transporttest.DialWebSocket, "/push/ws"},
	} {
		for range 20 {
			c, err := kind.dial(t.Context(), p.URL+kind.route, []string{"news"}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			clients = append(clients, c)
		}
	}
	load := make(chan int)
	go func() {
		published := 0
		defer func() { load <- published }()
		for ; publish(t, p); published++ {
			if published == 100 {
				p.Signal(t)
			}
		}
	}()
	for i, c := range clients {
		if last := followToTheEnd(t, c); last.Type != protocol.TypeReconnect {
			t.Errorf("client %d: the last frame is %+v", i, last)
		}
	}
	if err := p.Stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if n := <-load; n < 100 {
		t.Errorf("%d messages were published", n)
	}
	for _, want := range []string{"started", "draining", "stopped"} {
		if !strings.Contains(p.Log(), "INFO "+want) {
			t.Errorf("the log doesn't say %q:\n%s", want, p.Log())
		}
	}
}

// publish reports whether a message was taken.
func publish(t *testing.T, p *servetest.Process) bool {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/push/publish?topic=news", strings.NewReader("hello"))
	if err != nil {
		t.Error(err)
		return false
	}
	r.Header.Set("Authorization", "Bearer secret")
	response, err := p.Client.Do(r)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// followToTheEnd wants messages without holes, and returns the last frame.
func followToTheEnd(t *testing.T, c *transporttest.Client) (last transporttest.Frame) {
	t.Helper()
	for offset := uint64(0); ; {
		f, err := c.Next()
		if err != nil {
			return last
		}
		last = f
		if f.Type != protocol.TypeMessage {
			continue
		}
		at := c.Position(f.Topic).Offset
		if offset > 0 && at != offset+1 {
			t.Errorf("message %d came after %d", at, offset)
		}
		offset = at
	}
}

func TestStrangeHostNamesAreRefused(t *testing.T) {
	servetest.StrangeHostNamesAreRefused(t, run, "-anyone")
}

// TestStatesByPattern: what matches is a state, whichever of the patterns it is.
func TestStatesByPattern(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-publish-key", "secret", "-state", "prices/{market}", "-state", "flags")
	for topic, want := range map[string]int{"prices/fx": http.StatusOK, "flags": http.StatusOK, "prices": http.StatusConflict} {
		status, body := s.Do(t, http.MethodPost, "/push/publish?op=set&key=k&topic="+topic, "hello", "Authorization", "Bearer secret")
		if status != want {
			t.Errorf("%s: %d %s", topic, status, body)
		}
	}
}
