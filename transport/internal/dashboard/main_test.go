package dashboard

import (
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }
