package jwtauth

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

var (
	errNotPEM  = errors.New("jwtauth: there is no key in PEM")
	errPrivate = errors.New("jwtauth: this is a private key; verifying tokens takes the public one, as from openssl pkey -pubout")
)

// ParseKey reads the first key of a text in PEM, for Options.Keys: a public key as it is, in
// PKIX or PKCS #1, or that of an X.509 certificate, of which nothing else is looked at. A
// private key is an error. Whether the key is strong enough is checked by New.
func ParseKey(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errNotPEM
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, errPrivate
	default:
		return nil, errNotPEM
	}
	if err != nil {
		return nil, fmt.Errorf("jwtauth: the key can't be read: %w", err)
	}
	return key, nil
}
