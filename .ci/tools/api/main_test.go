package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestExported(t *testing.T) {
	folder := t.TempDir()
	source := `package p

import "io"

// A comment is no part of it.
type T[K comparable] struct {
	io.Reader
	A, B int // two fields
	hidden string
}

func (t *T[K]) Do(what func(K) error) (n int, err error) { return 0, nil }
func (t *T[K]) hide() {}

type (
	I interface { M(); hidden() }
	Name = string
)

const One, two = 1, 2

var V map[string]T[int]

func New[K comparable](k K) *T[K] { return nil }
func no() {}
`
	if err := os.WriteFile(filepath.Join(folder, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exported(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"const One",
		"func (t *T[K]) Do(what func(K) error) (n int, err error)",
		"func New[K comparable](k K) *T[K]",
		"type I interface",
		"type I method M func()",
		"type Name = string",
		"type T[K comparable] field A int",
		"type T[K comparable] field B int",
		"type T[K comparable] field io.Reader",
		"type T[K comparable] struct",
		"var V map[string]T[int]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestDifference(t *testing.T) {
	before, after := "a\nb\nb\nc\n", "b\na\nd\nb\n"
	if got, want := difference(before, after), []string{"- c", "+ d"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := difference(before, before); got != nil {
		t.Errorf("the same text differs by %q", got)
	}
}
