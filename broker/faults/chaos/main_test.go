package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the main of the instances that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == instanceArgument {
		os.Exit(runInstance())
	}
	goleak.VerifyTestMain(m)
}
