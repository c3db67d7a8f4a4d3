package push_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidewire/tidewire/"

// walls lists the packages of this module that each package may import. Nothing imports the
// examples.
var walls = map[string][]string{
	"broker":                         {"push/optional"},
	"push/optional":                  {},
	"push/cursor":                    {"broker"},
	"push/internal/inside":           {},
	"push/internal/limit":            {},
	"push/internal/revoke":           {"broker"},
	"push/internal/seal":             {},
	"push/internal/tasks":            {},
	"push/internal/wheel":            {},
	"push":                           {"broker", "push/cursor", "push/optional", "push/internal/inside", "push/internal/revoke", "push/internal/tasks"},
	"push/session":                   {"push", "broker", "push/cursor", "push/optional", "push/internal/inside", "push/internal/limit", "push/internal/seal", "push/internal/tasks", "push/internal/wheel"},
	"push/metrics":                   {"push", "broker"},
	"push/testaid":                   {},
	"push/pushtest":                  {"push", "broker", "push/cursor", "push/optional", "push/session", "broker/membroker", "transport", "transport/protocol", "transport/websocket"},
	"broker/membroker":               {"push", "broker", "push/optional", "broker/internal/keymap"},
	"broker/internal/follow":         {"push", "broker"},
	"broker/internal/keymap":         {"push", "broker"},
	"broker/internal/follow/sim":     {"push", "broker", "broker/internal/follow", "broker/internal/keymap"},
	"broker/internal/follow/mutants": {},
	"broker/redisbroker":             {"push", "broker", "push/optional", "broker/internal/follow", "broker/internal/keymap"},
	"broker/brokertest":              {"push", "broker", "push/testaid"},
	"broker/redistest":               {},
	"middleware":                     {"push", "push/session", "transport/protocol"},
	"middleware/jwtauth":             {"push", "broker", "transport/protocol"},
	"transport/protocol":             {"push", "push/session", "broker", "push/cursor"},
	"transport/internal/dashboard":   {"push", "push/session", "broker"},
	"transport/internal/socket":      {},
	"transport/internal/doctor":      {"push", "push/session", "transport/protocol"},
	"transport/internal/rawclient":   {"push/testaid"},
	"transport/websocket":            {"transport/internal/socket"},
	"transport/ws":                   {"push", "push/session", "broker", "push/cursor", "push/optional", "transport/internal/doctor", "transport/protocol", "transport/websocket"},
	"transport/sse":                  {"push", "push/session", "broker", "push/cursor", "push/optional", "transport/internal/doctor", "transport/protocol", "transport/internal/socket"},
	"transport/poll":                 {"push", "push/session", "broker", "push/cursor", "push/optional", "transport/internal/doctor", "transport/protocol"},
	"transport/upload":               {"push", "push/session", "push/optional", "transport/protocol", "middleware"},
	"transport/client":               {"push", "broker", "push/cursor", "push/optional", "transport/protocol", "transport/websocket"},
	"transport/transporttest":        {"push", "push/session", "broker", "push/cursor", "push/testaid", "transport/protocol", "broker/membroker"},
	"transport":                      {"push", "push/session", "broker", "push/optional", "transport/protocol", "transport/ws", "transport/sse", "transport/poll", "transport/internal/dashboard", "middleware", "js-client"},
	"js-client":                      {},
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

func TestImportsPointOneWay(t *testing.T) {
	packages := goList(t, "-e", "-f", "{{.ImportPath}}={{join .Imports \",\"}}", module+"...")
	seen := map[string]bool{}
	for _, line := range packages {
		path, imports, _ := strings.Cut(line, "=")
		room := strings.TrimPrefix(path, module)
		if strings.HasPrefix(room, "examples/") {
			continue
		}
		allowed, known := walls[room]
		if !known {
			t.Errorf("%s is not in the table of walls", room)
		}
		seen[room] = true
		for imported := range strings.SplitSeq(imports, ",") {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s must not import %s", room, ours)
			}
		}
	}
	for room := range walls {
		if !seen[room] {
			t.Errorf("there is no %s", room)
		}
	}
}

// importers fails if another room than these imports a library of others; examples
// may import what they like.
func importers(t *testing.T, library string, allowed ...string) {
	t.Helper()
	for _, line := range goList(t, "-e", "-f", "{{.ImportPath}}={{join .Imports \",\"}}", module+"...") {
		path, imports, _ := strings.Cut(line, "=")
		room := strings.TrimPrefix(path, module)
		if strings.Contains(imports, library) && !slices.Contains(allowed, room) && !strings.HasPrefix(room, "examples/") {
			t.Errorf("%s imports %s", room, library)
		}
	}
}

// TestOnlyTheRedisBrokerKnowsRedis keeps the client out of every program that
// doesn't use it. Package redistest is for tests.
func TestOnlyTheRedisBrokerKnowsRedis(t *testing.T) {
	importers(t, "redis/go-redis", "broker/redisbroker", "broker/redistest")
}

// TestOnlyJWTAuthKnowsJWT keeps tokens out of every program that knows its users by
// something else.
func TestOnlyJWTAuthKnowsJWT(t *testing.T) {
	importers(t, "golang-jwt/jwt", "middleware/jwtauth")
}

// TestPushPullsInNothing keeps the first import of every user small.
func TestPushPullsInNothing(t *testing.T) {
	for _, path := range goList(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"push") {
		own := path == module+"push" || path == module+"broker" || strings.HasPrefix(path, module+"push/")
		if !own && path != "github.com/google/uuid" {
			t.Errorf("push depends on %s", path)
		}
	}
}
