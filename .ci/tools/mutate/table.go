package main

import "slices"

// suite is the tests of one package.
type suite struct {
	of   string
	skip string // tests that don't look at what the code does, or take long
}

// tests says whose tests may find the mutants of a package, in the order in which
// they are asked. A package that isn't here has its own.
var tests = map[string][]suite{
	"push": {
		{of: "push", skip: "Imports|TestOnly|TestPushPullsInNothing"},
		{of: "push/session"},
		{of: "transport"},
	},
	"push/session": {
		{of: "push/session"},
		{of: "transport/sse"},
		{of: "transport/poll"},
		{of: "transport"},
		{of: "broker/internal/follow/sim"},
		{of: "broker/redisbroker"},
	},
	"push/internal/revoke": {{of: "push/internal/revoke"}, {of: "push/session"}},
	"push/internal/seal":   {{of: "push/internal/seal"}, {of: "push/session"}},
	"push/internal/wheel":  {{of: "push/internal/wheel"}, {of: "push/session"}},
	"transport/poll":       {{of: "transport/poll"}, {of: "transport"}},
	"transport/sse":        {{of: "transport/sse"}, {of: "transport"}},
	"transport/websocket": {
		{of: "transport/websocket", skip: "Autobahn"},
		{of: "transport/websocket"}, // with what takes long
		{of: "transport/ws"},
		{of: "transport"},
	},
	"transport/ws": {{of: "transport/ws"}, {of: "transport"}},
}

// testsOf returns the suites that are asked about a package; with own only its own.
func testsOf(of string, own bool) []suite {
	suites, ok := tests[of]
	if !ok {
		suites = []suite{{of: of}}
	}
	if own {
		return slices.DeleteFunc(slices.Clone(suites), func(s suite) bool { return s.of != of })
	}
	return suites
}
