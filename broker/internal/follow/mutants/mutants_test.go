package main

import (
	"slices"
	"testing"
)

// TestMutantsApply fails when the code has moved on and a mutant would change
// nothing, or two places at once.
func TestMutantsApply(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	mutants := slices.Concat(logMutants, stateMutants)
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are called %s", m.name)
		}
		names[m.name] = true
		if _, err := patched(root, m.all()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if len(mutants) < 20 {
		t.Errorf("only %d mutants", len(mutants))
	}
}
