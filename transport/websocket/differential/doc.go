// Package differential has no code but tests: they give the same bytes to our
// WebSocket server and to two others, and compare what comes of it. It is a module
// of its own, so that nobody else depends on the other servers.
//
// Each fuzz target runs its seeds with go test, and looks further with -fuzz. Where
// the servers may differ, differences_test.go says so, and what the RFC says.
package differential
