package main

import (
	"os"
	"testing"

	"github.com/tidewire/tidewire/push/testaid"
)

// TestMain is also the main of the instances that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == instanceArgument {
		os.Exit(runInstance())
	}
	testaid.Main(m, ofToxics)
}
