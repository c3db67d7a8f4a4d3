// Package certs has a TLS certificate whose files may change while the server runs, as those
// of Let's Encrypt do every few weeks.
package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// interval is the least time between two looks at the files.
const interval = 10 * time.Second

// Files are a certificate and its key in files. A handshake looks whether they have changed,
// but not more often than every ten seconds, and nobody looks while nobody connects. New
// files that can't be used are logged, and the certificate stays what it was.
type Files struct {
	cert, key string // static

	mu          sync.Mutex // guards the rest
	certificate *tls.Certificate
	state       [2]fileState // as the files were when they were read
	looked      time.Time
}

// fileState tells one version of a file from another.
type fileState struct {
	modified time.Time
	size     int64
}

// Load reads the files.
func Load(cert, key string) (*Files, error) {
	f := &Files{cert: cert, key: key, looked: time.Now()}
	f.state = f.look()
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// Config returns a configuration for servers.
func (f *Files) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.get}
}

func (f *Files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < interval {
		return f.certificate, nil
	}
	f.looked = time.Now()
	state := f.look()
	if state == f.state {
		return f.certificate, nil
	}
	if err := f.read(); err != nil {
		// The two files may be written one after the other, so this may be over at the next look.
		slog.Error("the new certificate can't be used; the old one stays", "error", err)
		return f.certificate, nil
	}
	f.state = state
	slog.Info("the certificate was read again", "file", f.cert, "expires", f.certificate.Leaf.NotAfter)
	return f.certificate, nil
}

// look returns the state of both files; that of one that isn't there is zero.
func (f *Files) look() (state [2]fileState) {
	for i, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			state[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return state
}

func (f *Files) read() error {
	certificate, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	f.certificate = &certificate
	return nil
}
