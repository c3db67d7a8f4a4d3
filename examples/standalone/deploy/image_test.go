package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestImageIsAStaticBinaryOfNobody, as far as its Dockerfile says; make image builds it.
func TestImageIsAStaticBinaryOfNobody(t *testing.T) {
	lines := strings.Split(read(t, "Dockerfile"), "\n")
	last := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "FROM ") {
			last = i
		}
	}
	if lines[last] != "FROM scratch" {
		t.Errorf("the image is %s", lines[last])
	}
	if !slices.Contains(lines[last:], "USER 65532:65532") || !slices.Contains(lines[last:], `ENTRYPOINT ["/standalone"]`) {
		t.Error("it isn't run as nobody")
	}
	if !strings.Contains(strings.Join(lines[:last], "\n"), "CGO_ENABLED=0 go build") {
		t.Error("it isn't static")
	}
	module := strings.Split(read(t, "../../../go.mod"), "\n")
	if version, _ := strings.CutPrefix(module[2], "go "); !strings.HasPrefix(version, strings.TrimPrefix(strings.Fields(lines[3])[1], "golang:")) {
		t.Errorf("%s builds a module of Go %s", lines[3], version)
	}
}

// TestContextHasAllPackages: what the Dockerfile copies is all that a build needs.
func TestContextHasAllPackages(t *testing.T) {
	ignored := strings.Split(read(t, "Dockerfile.dockerignore"), "\n")
	names, err := filepath.Glob("../../../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if dir := filepath.Base(filepath.Dir(name)); dir != "docs" && !slices.Contains(ignored, "!"+dir) {
			t.Errorf("%s isn't in the context", dir)
		}
	}
}
