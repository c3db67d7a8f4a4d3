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
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func TestPublishReachesFollowers(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-publish-key", "secret")
	stream := s.Follow(t, "news", "")
	status, body := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer secret")
	if status != http.StatusOK {
		t.Fatalf("publish: %d %s", status, body)
	}
	frame, _ := stream.Next(t)
	if frame.Type != "message" || frame.Data != "hello" || frame.Offset != 1 {
		t.Errorf("got %+v", frame)
	}
}

func TestTheKeyComesFromTheEnvironment(t *testing.T) {
	t.Setenv(keyVariable, "secret")
	s := servetest.Start(t, run, "-anyone")
	for key, want := range map[string]int{"secret": http.StatusOK, "guess": http.StatusUnauthorized} {
		status, _ := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer "+key)
		if status != want {
			t.Errorf("with the key %s: %d, want %d", key, status, want)
		}
	}
}

func TestWithoutAKeyNobodyPublishes(t *testing.T) {
	t.Setenv(keyVariable, "")
	s := servetest.Start(t, run, "-anyone")
	if status, _ := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer "); status != http.StatusForbidden {
		t.Errorf("got %d", status)
	}
}

func TestRelay(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-relay")
	stream := s.Follow(t, "news", "")
	status, body := s.Do(t, http.MethodPost, "/push/send?topic=news&id=one", "hello")
	var answer struct{ Data string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %s", status, body)
	}
	var receipt struct {
		ID, Epoch string
		Offset    uint64
	}
	if err := json.Unmarshal([]byte(answer.Data), &receipt); err != nil {
		t.Fatal(err)
	}
	if receipt.ID != "one" || receipt.Offset != 1 || receipt.Epoch == "" {
		t.Errorf("the receipt is %+v", receipt)
	}
	if frame, _ := stream.Next(t); frame.ID != "one" || frame.Data != "hello" {
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

func TestHealthUntilDraining(t *testing.T) {
	hub := newHub(config{anyone: true}, membroker.New())
	handler := routes(hub, nil, config{})
	if got := get(t, handler, "/healthz").Code; got != http.StatusOK {
		t.Errorf("while it serves: %d", got)
	}
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, handler, "/healthz").Code; got != http.StatusServiceUnavailable {
		t.Errorf("while it drains: %d", got)
	}
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
	if status, body := s.Do(t, http.MethodGet, "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "broker") {
		t.Errorf("without Redis: %d %s", status, body)
	}
	if status, _ := s.Do(t, http.MethodGet, "/healthz", ""); status != http.StatusOK {
		t.Errorf("alive without Redis: %d", status)
	}
}

func TestThePageIsUnderAStrictPolicy(t *testing.T) {
	hub := newHub(config{anyone: true}, membroker.New())
	defer hub.Shutdown(t.Context())
	answer := get(t, routes(hub, nil, config{}), "/")
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

func TestStrangeHostNamesAreRefused(t *testing.T) {
	servetest.StrangeHostNamesAreRefused(t, run, "-anyone")
}
