package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/examples/internal/servetest"
)

// writeCertificate writes one for 127.0.0.1, and returns who trusts it.
func writeCertificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(cert, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return cert, key, roots
}

// TestTLS: the certificate of the files serves, over HTTP/1.1 and HTTP/2, and streams too.
func TestTLS(t *testing.T) {
	cert, key, roots := writeCertificate(t)
	s := servetest.Start(t, run, "-anyone", "-publish-key", "secret", "-tls-cert-file", cert, "-tls-key-file", key)
	if !strings.HasPrefix(s.URL, "https://") {
		t.Fatalf("it listens on %s", s.URL)
	}
	for _, version := range []int{1, 2} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(version == 1)
		transport.Protocols.SetHTTP2(version == 2)
		defer transport.CloseIdleConnections()
		s.Client = &http.Client{Transport: transport}
		stream := s.Follow(t, "news", "")
		if status, body := s.Do(t, http.MethodPost, "/push/publish?topic=news", "hello", "Authorization", "Bearer secret"); status != http.StatusOK {
			t.Fatal(body)
		}
		if frame, _ := stream.Next(t); string(frame.Data) != `"hello"` {
			t.Errorf("got %+v", frame)
		}
		stream.Close()
		response, err := s.Client.Get(s.URL + "/healthz")
		if err != nil || response.ProtoMajor != version {
			t.Fatalf("%v, %v", response, err)
		}
		response.Body.Close()
	}
}

func TestOperatorsHaveAnAddressOfTheirOwn(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-publish-key", "secret", "-ops", "127.0.0.1:0")
	get := func(path string) (int, string) {
		t.Helper()
		response, err := s.Client.Get(s.Ops + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/dashboard/": 200, "/push/sse?topic=a": 404, "/api/stats": 404, "/": 200, "/index.html": 404} {
		if got, _ := get(path); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
	if status, body := s.Do(t, http.MethodPost, "/api/publish", `{"topic":"a","data":1}`, "Authorization", "Bearer secret"); status != http.StatusOK {
		t.Fatal(body)
	}
	if status, body := get("/metrics"); status != http.StatusOK || !strings.Contains(body, "\ntidewire_published_total 1\n") {
		t.Errorf("/metrics: %d %.500s", status, body)
	}
	if status, _ := s.Do(t, http.MethodGet, "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("/metrics is open to all: %d", status)
	}
}

// TestCheckConfig shows what is in force, reads all files, and opens nothing.
func TestCheckConfig(t *testing.T) {
	t.Setenv("TIDEWIRE_PUBLISH_KEY", "hunter2")
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"redis": "redis://:hunter2@127.0.0.1:1", "jwt": {"secretFile": "`+file+`", "algorithms": ["HS256"]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	if err := run(t.Context(), []string{"-check-config", "-config", file, "-relay"}, &shown); err != nil {
		t.Fatal(err)
	}
	var c struct {
		Relay bool
		Redis string
	}
	if err := json.Unmarshal(shown.Bytes(), &c); err != nil || !c.Relay || c.Redis != "redis://:xxxxx@127.0.0.1:1" || strings.Contains(shown.String(), "hunter2") {
		t.Errorf("%v, %s", err, &shown)
	}
	for name, args := range map[string][]string{
		"a flag":      {"-nothing"},
		"no file":     {"-config", file + "x"},
		"no secret":   {"-jwt-secret-file", file + "x", "-jwt-algorithms", "HS256"},
		"no key":      {"-publish-keys", `[{"name":"a","keyFile":"` + file + `x","operations":["stats"]}]`},
		"no cert":     {"-tls-cert-file", file, "-tls-key-file", file},
		"a bad state": {"-state", "a{b}"},
	} {
		if err := run(t.Context(), append(args, "-check-config"), io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := run(t.Context(), []string{"-help"}, io.Discard); err != nil {
		t.Error(err)
	}
}

// TestSystemdIsTold when the server is ready, that it lives, and that it ends.
func TestSystemdIsTold(t *testing.T) {
	name, socket := servetest.NotifySocket(t)
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "10000000")
	s := servetest.Start(t, run, "-anyone")
	told := func(want string) {
		t.Helper()
		buffer := make([]byte, 100)
		n, err := socket.Read(buffer)
		if err != nil || !strings.Contains(string(buffer[:n]), want) {
			t.Errorf("got %q, %v, want %q", buffer[:n], err, want)
		}
	}
	told("READY=1")
	told("WATCHDOG=1")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1")
}

// TestKeysOfBackends: the route of old takes them too, each for its topics.
func TestKeysOfBackends(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-publish-keys", `[{"name": "orders", "key": "k", "operations": ["publish"], "topics": ["orders/{user}"]}]`)
	for path, want := range map[string]int{
		"/push/publish?topic=orders/ann": 200, "/push/publish?topic=news": 403, "/push/publish?topic=orders/ann&topic=news": 200, "/push/publish": 403,
	} {
		if status, body := s.Do(t, http.MethodPost, path, "hello", "Authorization", "Bearer k"); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := s.Do(t, http.MethodGet, "/api/openapi.json", ""); status != http.StatusOK || body != string(openAPI) {
		t.Errorf("the description: %d", status)
	}
}

// TestLargeMessages: one setting is for the route and the broker.
func TestLargeMessages(t *testing.T) {
	s := servetest.Start(t, run, "-anyone", "-publish-key", "secret", "-limits-max-publish", "256KiB")
	for size, want := range map[int]int{256 << 10: 200, 256<<10 + 1: 413} {
		if status, body := s.Do(t, http.MethodPost, "/push/publish?topic=a", strings.Repeat("x", size), "Authorization", "Bearer secret"); status != want {
			t.Errorf("%d bytes: %d %s", size, status, body)
		}
	}
}
