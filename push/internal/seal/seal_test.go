package seal_test

import (
	"bytes"
	"testing"

	"github.com/tidewire/tidewire/push/internal/seal"
)

func TestSealOpensForNobodyElse(t *testing.T) {
	secret, plain := []byte("sixteen bytes or"), []byte("a text")
	made := func(secret []byte, purpose string) seal.Seal {
		s, err := seal.New(secret, purpose)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sealed := made(secret, "test").Close(plain)
	if again := made(secret, "test").Close(plain); bytes.Equal(sealed, again) || bytes.Contains(sealed, plain) {
		t.Errorf("sealed to %x and %x", sealed, again)
	}
	if got, err := made(secret, "test").Open(sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %q, %v", got, err)
	}
	for name, s := range map[string]seal.Seal{
		"another secret": made([]byte("sixteen bytes OR"), "test"), "another purpose": made(secret, "tests"),
	} {
		if got, err := s.Open(sealed); err == nil {
			t.Errorf("%s: opens as %q", name, got)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if got, err := made(secret, "test").Open(changed); err == nil {
			t.Errorf("with byte %d changed it opens as %q", i, got)
		}
	}
	for _, short := range [][]byte{nil, sealed[:5], sealed[:len(sealed)-1]} {
		if got, err := made(secret, "test").Open(short); err == nil {
			t.Errorf("%d bytes of it open as %q", len(short), got)
		}
	}
}
