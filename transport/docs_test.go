package transport_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadmeShowsTheExample keeps the README's program one that compiles.
func TestReadmeShowsTheExample(t *testing.T) {
	_, body, _ := strings.Cut(read(t, "example_test.go"), "func Example() {\n")
	body, _, found := strings.Cut(body, "\n}\n")
	if !found {
		t.Fatal("there is no Example")
	}
	program := strings.TrimPrefix(strings.ReplaceAll("\n"+body, "\n\t", "\n"), "\n")
	if !strings.Contains(read(t, "../README.md"), "```go\n"+program+"\n```") {
		t.Errorf("README.md doesn't show the body of Example, which is\n%s", program)
	}
}

// TestGuidesShowTheExamples keeps the guides' Go code code that compiles.
func TestGuidesShowTheExamples(t *testing.T) {
	indented := regexp.MustCompile(`(?m)^\t+`)
	examples := indented.ReplaceAllString(read(t, "../middleware/jwtauth/example_test.go")+read(t, "../push/example_test.go"), "")
	guides := read(t, "../docs/authentication.md") + read(t, "../docs/authorization.md")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(guides, -1)
	if len(blocks) != 5 {
		t.Errorf("there are %d blocks", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(examples, indented.ReplaceAllString(block[1], "")) {
			t.Errorf("no example has\n%s", block[1])
		}
	}
}

// TestPromisesNameTestsThatExist keeps docs/promises.md from promising what
// nothing tests any more.
func TestPromisesNameTestsThatExist(t *testing.T) {
	var source strings.Builder
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == "node_modules":
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			source.WriteString(read(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(?:/(\\w+))?`").FindAllStringSubmatch(read(t, "../docs/promises.md")+read(t, "../docs/faults.md"), -1)
	if len(names) < 20 {
		t.Fatalf("only %d tests are named", len(names))
	}
	for _, name := range names {
		test, subtest := name[1], name[2]
		if !strings.Contains(source.String(), "func "+test+"(") {
			t.Errorf("there is no %s", test)
		}
		if subtest != "" && !strings.Contains(source.String(), `{"`+subtest+`", `) {
			t.Errorf("there is no %s in the suite of %s", subtest, test)
		}
	}
}
