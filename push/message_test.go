package push_test

import (
	"testing"
	"unsafe"

	"github.com/tidewire/tidewire/push"
)

// TestMessageIsSmall: each message of a history costs one, so that its fields are in an order
// that fits a size class of the allocator.
func TestMessageIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(push.Message{}); size > 192 {
		t.Errorf("a Message has %d bytes", size)
	}
}
