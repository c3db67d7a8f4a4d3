package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
)

// elsewhere is a server of another origin, which counts the requests that come to it.
func elsewhere(t *testing.T, requests *atomic.Int64) *httptest.Server {
	t.Helper()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(other.Close)
	return other
}

func redirecting(t *testing.T, to string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	return server
}

// TestKeyStaysWithItsServer: net/http gives Authorization to any port and scheme of the
// same host, and other headers and the body to any host.
func TestKeyStaysWithItsServer(t *testing.T) {
	requests := new(atomic.Int64)
	server := redirecting(t, elsewhere(t, requests).URL)
	p := publisher(t, server.URL+"/push", testKey, PublisherOptions{Timeout: time.Minute})
	_, err := p.Publish(t.Context(), push.Message{Topic: "a", Data: []byte("x")})
	if requests.Load() > 0 {
		t.Error("the key and the message were given to another server")
	}
	if !errors.Is(err, push.CodeUnavailable) {
		t.Errorf("Publish: %v", err)
	}
}

func TestCredentialsStayWithTheirServer(t *testing.T) {
	requests := new(atomic.Int64)
	other := elsewhere(t, requests)
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(server.Close)
	c, err := New(server.URL+"/push", Options{
		Transport: EventStream, Header: http.Header{"X-Token": {"secret"}}, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	if _, err := c.Subscribe("a"); err != nil {
		t.Fatal(err)
	}
	<-asked
	<-asked // the first has been dealt with
	if requests.Load() > 0 {
		t.Error("the credentials were given to another server")
	}
}
