// Package seal encrypts what goes past those who may read or write what is stored.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
)

// Seal encrypts (AES-256-GCM) with a key that comes of a secret, which the other end knows
// and the store never does. A secret seals few texts: for each the nonce is random.
type Seal struct{ gcm cipher.AEAD }

// New derives the key for a purpose (HKDF, RFC 5869) from a secret of 16 bytes or more.
func New(secret []byte, purpose string) (Seal, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "tidewire "+purpose, 32)
	if err != nil {
		return Seal{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Seal{}, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	return Seal{gcm}, err
}

// Close encrypts a text.
func (s Seal) Close(plain []byte) []byte {
	return s.gcm.Seal(nil, nil, plain, nil) //nolint:gosec // a nonce is drawn at random and put before what is sealed
}

// Open returns the text that Close was given. It fails if the secret or the purpose is
// another, or if a bit was changed.
func (s Seal) Open(sealed []byte) ([]byte, error) { return s.gcm.Open(nil, nil, sealed, nil) }
