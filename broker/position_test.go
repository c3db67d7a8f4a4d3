package broker_test

import (
	"errors"
	"testing"

	"github.com/tidewire/tidewire/broker"
)

func TestEpochText(t *testing.T) {
	for _, e := range []broker.Epoch{0, 1, 0x9f8a6c21d0e4b735, 1<<64 - 1} {
		got, err := broker.ParseEpoch(e.String())
		if err != nil || got != e || len(e.String()) != 16 {
			t.Errorf("%v: %v, %v", e, got, err)
		}
	}
	for _, text := range []string{"", "1", "9F8A6C21D0E4B735", "9f8a6c21d0e4b7350", "+f8a6c21d0e4b735", "xf8a6c21d0e4b735"} {
		if got, err := broker.ParseEpoch(text); !errors.As(err, new(broker.BadRequestError)) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
