package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestFileOfHelpers(t *testing.T) {
	const code = "//clock:virtual\n\npackage a\n\nfunc F() { time.Sleep(1) }\n"
	if found, err := look(fstest.MapFS{"a_test.go": {Data: []byte(code)}}); err != nil || len(found) > 0 {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestClocks(t *testing.T) {
	tests := []struct{ name, path, code, want string }{
		{"a sleep", "a/a_test.go", "func F() { time.Sleep(1) }", "a/a_test.go:2: time.Sleep"},
		{"in a program", "a/a.go", "func F() { time.Sleep(1) }", ""},
		{"in a suite", "a/atest/a.go", "func F() { time.Sleep(1) }", "a/atest/a.go:2: time.Sleep"},
		{"what took how long", "a_test.go", "func F() { if time.Since(begin) > time.Second {} }", "a_test.go:2: time.Since"},
		{"virtual time", "a_test.go", "func F() { synctest.Test(t, func(*T) { time.Sleep(1) }) }", ""},
		{"by a helper", "a_test.go", "func in(f func()) { synctest.Test(t, f) }; func F() { in(func() { time.Sleep(1) }) }", ""},
		{"said to be virtual", "a_test.go", "func F() { time.Sleep(1) } //clock:virtual", ""},
		{"real, with a reason", "a_test.go", "func F() { time.Sleep(1) } //clock:real it must", ""},
		{"real, without a reason", "a_test.go", "func F() { time.Sleep(1) } //clock:real", "a_test.go:2: time.Sleep"},
		{"hidden", ".a/a_test.go", "func F() { time.Sleep(1) }", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := look(fstest.MapFS{tt.path: {Data: []byte("package a\n" + tt.code + "\n")}})
			if got := strings.Join(found, " "); err != nil || got != tt.want {
				t.Errorf("found %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
