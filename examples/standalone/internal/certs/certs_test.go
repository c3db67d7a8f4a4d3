package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// write writes a certificate with a serial number and its key, as of a time.
func write(t *testing.T, cert, key string, serial int64, modified time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"push.example"}}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		put(t, name, pem.EncodeToMemory(block), modified)
	}
}

func put(t *testing.T, name string, text []byte, modified time.Time) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateFollowsItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		old := time.Unix(1e9, 0)
		write(t, cert, key, 1, old)
		f, err := Load(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		want := func(when string, serial int64) {
			t.Helper()
			got, err := f.get(nil)
			if err != nil || got.Leaf.SerialNumber.Int64() != serial {
				t.Errorf("%s: %v, %v", when, got.Leaf.SerialNumber, err)
			}
		}
		want("at first", 1)
		write(t, cert, key, 2, old.Add(time.Hour))
		want("before the files are looked at", 1)
		time.Sleep(interval)
		want("after ten seconds", 2)

		good, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		put(t, cert, []byte("half"), old.Add(2*time.Hour))
		time.Sleep(interval)
		want("while a file is broken", 2)
		put(t, cert, good, old.Add(3*time.Hour))
		time.Sleep(interval)
		want("when it is whole again", 2)
		write(t, cert, key, 3, old.Add(3*time.Hour))
		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(interval)
		want("while a file is missing", 2)
		write(t, cert, key, 4, old.Add(4*time.Hour))
		time.Sleep(interval)
		want("when both are there", 4)
		if config := f.Config(); config.MinVersion < 0x0303 || config.GetCertificate == nil {
			t.Errorf("%+v", config)
		}
	})
}

func TestLoadNeedsBothFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := Load(cert, key); err == nil {
		t.Error("there are no files")
	}
	write(t, cert, key, 1, time.Unix(1e9, 0))
	if _, err := Load(key, cert); err == nil {
		t.Error("they are the wrong way round")
	}
}
