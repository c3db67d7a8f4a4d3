package jwtauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"

	"github.com/golang-jwt/jwt/v5"
)

// minRSABits is what RFC 7518 sections 3.3 and 3.5 demand.
const minRSABits = 2048

// checkKeys returns a copy of keys that are strong enough and fit the algorithms, with
// none left over on either side: what is left over is a mistake. A set may have keys for all
// algorithms but those of secrets.
func checkKeys(keys map[string]any, algorithms []string, haveSet bool) (map[string]any, error) {
	if len(keys) == 0 && !haveSet || len(algorithms) == 0 {
		return nil, errors.New("no keys, or no algorithms")
	}
	checked := map[string]any{}
	for kid, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("key %q: %w", kid, err)
		}
		if secret, ok := key.([]byte); ok {
			key = bytes.Clone(secret)
		}
		checked[kid] = key
	}
	unused := maps.Clone(checked)
	for _, algorithm := range algorithms {
		method := jwt.GetSigningMethod(algorithm)
		found := false
		for kid, key := range checked {
			if !suits(key, method) {
				continue
			}
			if hmac, ok := method.(*jwt.SigningMethodHMAC); ok && len(key.([]byte)) < hmac.Hash.Size() { // RFC 7518 section 3.2
				return nil, fmt.Errorf("key %q: a secret for %s has %d bytes or more", kid, algorithm, hmac.Hash.Size())
			}
			found = true
			delete(unused, kid)
		}
		if !found && !(haveSet && isPublic(method)) {
			return nil, fmt.Errorf("there is no key for the algorithm %q", algorithm)
		}
	}
	for kid := range unused {
		return nil, fmt.Errorf("key %q: none of the algorithms is for it", kid)
	}
	return checked, nil
}

// isPublic reports whether a method is one that verifies by public keys.
func isPublic(method jwt.SigningMethod) bool {
	switch method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS, *jwt.SigningMethodECDSA, *jwt.SigningMethodEd25519:
		return true
	}
	return false
}

// suits reports whether a key that was checked is of the kind that a method works
// with. Nothing suits the method "none", nor one that is unknown.
func suits(key any, method jwt.SigningMethod) bool {
	switch method := method.(type) {
	case *jwt.SigningMethodHMAC:
		_, ok := key.([]byte)
		return ok
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		_, ok := key.(*rsa.PublicKey)
		return ok
	case *jwt.SigningMethodECDSA:
		public, ok := key.(*ecdsa.PublicKey)
		return ok && public.Params().BitSize == method.CurveBits
	case *jwt.SigningMethodEd25519:
		_, ok := key.(ed25519.PublicKey)
		return ok
	}
	return false
}

// checkKey tells what is wrong with a key, whatever it is used with.
func checkKey(key any) error {
	switch key := key.(type) {
	case []byte:
		if bytes.HasPrefix(bytes.TrimSpace(key), []byte("-----BEGIN ")) {
			return errors.New("a key in PEM is no secret: parse it, and give the public key")
		}
		return nil
	case *rsa.PublicKey:
		if key == nil || key.N == nil || key.N.BitLen() < minRSABits {
			return fmt.Errorf("an RSA key has %d bits or more", minRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if key == nil {
			return errors.New("it is nil")
		}
		_, err := key.ECDH() // the conversion checks the curve and the point
		return err
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("an Ed25519 key has %d bytes", ed25519.PublicKeySize)
		}
		return nil
	}
	return fmt.Errorf("%T is neither a []byte, *rsa.PublicKey, *ecdsa.PublicKey nor ed25519.PublicKey", key)
}
