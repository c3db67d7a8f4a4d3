package faults_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs certificates of servers on 127.0.0.1.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	certificate, err := x509.ParseCertificate(der)
	check(t, err)
	return &authority{certificate, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

// client trusts this authority and no other.
func (a *authority) client() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// serve gives a server's arguments for TLS, with a certificate that is good for an hour.
func (a *authority) serve(t *testing.T) []string {
	t.Helper()
	return a.serveUntil(t, time.Now().Add(time.Hour))
}

func (a *authority) serveUntil(t *testing.T, expiry time.Time) []string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: expiry.Add(-2 * time.Hour), NotAfter: expiry, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	key := newKey(t)
	certificate, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	check(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	dir := t.TempDir()
	return []string{
		"--tls-auth-clients", "no",
		"--tls-cert-file", writePEM(t, dir, "CERTIFICATE", certificate),
		"--tls-key-file", writePEM(t, dir, "PRIVATE KEY", private),
		"--tls-ca-cert-file", writePEM(t, dir, "CERTIFICATE", a.certificate.Raw),
	}
}

func writePEM(t *testing.T, dir, kind string, der []byte) string {
	t.Helper()
	file, err := os.CreateTemp(dir, "*.pem")
	check(t, err)
	defer file.Close()
	check(t, pem.Encode(file, &pem.Block{Type: kind, Bytes: der}))
	return filepath.Clean(file.Name())
}
