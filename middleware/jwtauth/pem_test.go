package jwtauth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"reflect"
	"testing"

	"github.com/tidewire/tidewire/middleware/jwtauth"
)

func TestParseKey(t *testing.T) {
	p := pairs()
	for _, kind := range []string{"rsa", "p256", "p384", "p521", "ed"} {
		key, err := jwtauth.ParseKey(publicPEM(p[kind].public))
		if err != nil || !reflect.DeepEqual(key, p[kind].public) {
			t.Errorf("%s: %v, %v", kind, key, err)
		}
	}
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, p["ed"].public, p["ed"].private))
	if key, err := jwtauth.ParseKey(encode("CERTIFICATE", certificate)); err != nil || !reflect.DeepEqual(key, p["ed"].public) {
		t.Errorf("a certificate: %v, %v", key, err)
	}
	if _, err := jwtauth.ParseKey(encode("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(p["rsa"].public.(*rsa.PublicKey)))); err != nil {
		t.Errorf("PKCS #1: %v", err)
	}
	for name, text := range map[string][]byte{
		"nothing":     nil,
		"a secret":    []byte("hunter2"),
		"no key":      encode("X509 CRL", certificate),
		"broken":      encode("PUBLIC KEY", certificate),
		"private":     encode("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p["ed"].private))),
		"RSA private": encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(p["rsa"].private.(*rsa.PrivateKey))),
	} {
		if key, err := jwtauth.ParseKey(text); err == nil {
			t.Errorf("%s: %v", name, key)
		}
	}
}
