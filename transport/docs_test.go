package transport_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
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
	examples := read(t, "../push/example_test.go") + read(t, "../push/example_state_test.go") +
		read(t, "../middleware/jwtauth/example_test.go") + program(t, "example_board_test.go") + read(t, "example_ops_test.go")
	examples = indented.ReplaceAllString(examples, "")
	_, readme, _ := strings.Cut(read(t, "../README.md"), "## Who may follow what")
	readme, _, _ = strings.Cut(readme, "\n## What is promised")
	guides := readme + read(t, "../docs/authentication.md") + read(t, "../docs/authorization.md") + read(t, "../docs/live-state.md") + read(t, "../docs/operate.md")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(guides, -1)
	if len(blocks) != 22 {
		t.Errorf("there are %d blocks", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(examples, indented.ReplaceAllString(block[1], "")) {
			t.Errorf("no example has\n%s", block[1])
		}
	}
}

// program returns a file of one example as the program that a guide shows.
func program(t *testing.T, path string) string {
	t.Helper()
	_, text, _ := strings.Cut(read(t, path), "\npackage ")
	text = regexp.MustCompile(`(?m)^(// .*\n)*func Example\w*`).ReplaceAllString("package "+text, "func main")
	return strings.Replace(text, "package transport_test", "package main", 1)
}

// TestPromisesNameTestsThatExist keeps docs/internals/promises.md from promising what
// no test checks any more.
func TestPromisesNameTestsThatExist(t *testing.T) {
	for _, page := range []string{"internals/promises", "internals/faults", "internals/bad-input", "security"} {
		if n := checkNames(t, read(t, "../docs/"+page+".md")); n < 5 {
			t.Errorf("%s.md names only %d tests", page, n)
		}
	}
}

// TestBadInputNamesItsTests: each row of docs/internals/bad-input.md names tests that exist,
// and the rows ascend to the last.
func TestBadInputNamesItsTests(t *testing.T) {
	want := 0
	for _, row := range regexp.MustCompile(`(?m)^\| B(\d+) \|.*$`).FindAllStringSubmatch(read(t, "../docs/internals/bad-input.md"), -1) {
		if checkNames(t, row[0]) == 0 {
			t.Errorf("B%s names no test", row[1])
		}
		number, err := strconv.Atoi(row[1])
		if err != nil || number <= want {
			t.Errorf("B%s comes after B%d", row[1], want)
		}
		want = number
	}
	if want != 107 {
		t.Errorf("the last is B%d", want)
	}
}

// checkNames fails if a text names a test that doesn't exist, and tells how many it
// names. Those in JavaScript stand with their file.
func checkNames(t *testing.T, text string) int {
	t.Helper()
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(?:/(\\w+))?`").FindAllStringSubmatch(text, -1)
	for _, name := range names {
		test, subtest := name[1], name[2]
		if !strings.Contains(goSource(), "func "+test+"(") {
			t.Errorf("there is no %s", test)
		}
		if subtest != "" && !strings.Contains(goSource(), `{"`+subtest+`", `) {
			t.Errorf("there is no %s in the suite of %s", subtest, test)
		}
	}
	titles := regexp.MustCompile("`(\\w+\\.test\\.m?[jt]s): ([^`]+)`").FindAllStringSubmatch(text, -1)
	for _, title := range titles {
		file, test := title[1], title[2]
		folder := "test"
		if strings.HasSuffix(file, ".mjs") {
			folder = "e2e"
		}
		source := read(t, "../js-client/"+folder+"/"+file)
		call := regexp.MustCompile("\\b(?:test|inBrowsers)\\([\"`]" + regexp.QuoteMeta(test) + "[\"`],")
		if !call.MatchString(source) {
			t.Errorf("%s has no %q", file, test)
		}
	}
	return len(names) + len(titles)
}

// goSource is all Go code of the repository.
var goSource = sync.OnceValue(func() string {
	var source strings.Builder
	walkGo(func(path string) error {
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	})
	return source.String()
})

// walkGo visits all Go files of the repository.
func walkGo(visit func(path string) error) {
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == "node_modules":
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			return visit(path)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
}

// TestDocsServeWithATimeLimitForHeaders: what is shown gets copied.
func TestDocsServeWithATimeLimitForHeaders(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	servers := 0
	for _, page := range append(pages, "../README.md", "../js-client/README.md") {
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllString(read(t, page), -1) {
			if strings.Contains(block, "ListenAndServe") {
				servers++
				if !strings.Contains(block, "ReadHeaderTimeout") {
					t.Errorf("%s serves without a ReadHeaderTimeout:\n%s", page, block)
				}
			}
		}
	}
	if servers == 0 {
		t.Error("no page shows a server")
	}
}
