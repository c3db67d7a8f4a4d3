package serve

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker/redisbroker"
)

// TestPasswordsAreNotInErrors: a password with characters that a URL can't have is the usual
// reason why one can't be parsed, and errors end up in logs.
func TestPasswordsAreNotInErrors(t *testing.T) {
	for _, address := range []string{
		"redis://:hun%ter2@localhost", "redis://:hun#ter2@localhost", "redis://user:hun/ter2@localhost", "redis://:hun?ter2@localhost:x",
		"%zz://hunter2@localhost", "redis://:hunter2@localhost:6379\n", "redis://hunter2:@local host",
		"redis://:hun ter2@localhost/0?addr=x&y=hunter2",
	} {
		_, err := Broker(t.Context(), address, redisbroker.Options{})
		if err == nil {
			t.Errorf("%q: no error", address)
		} else if strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
