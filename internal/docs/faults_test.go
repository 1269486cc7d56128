package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	faults = 36
	tested = 32 // at least, by tests that go test runs
)

var (
	faultRow  = regexp.MustCompile(`(?m)^\| (\d+) \|(.*)\|$`)
	reference = regexp.MustCompile("`([^`]+)`|\"([^\"]+)\"")
)

// Each row of the table names tests, each in the folder named before it.
func TestEveryFaultHasItsTest(t *testing.T) {
	t.Parallel()
	rows := faultRow.FindAllStringSubmatch(pages(t)["docs/reliability.md"], -1)
	shown := 0
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Errorf("row %d has the number %s", i+1, row[1])
		}
		cells := strings.Split(row[2], "|")
		if len(cells) != 4 {
			t.Errorf("row %s has %d cells behind its number, want 4", row[1], len(cells))
			continue
		}
		if provesIn(t, row[1], cells[2]) > 0 {
			shown++
		}
	}
	if len(rows) != faults || shown < tested {
		t.Errorf("%d faults, %d with a test; want %d and at least %d", len(rows), shown, faults, tested)
	}
}

// provesIn looks for the tests that a cell names and returns how many there are.
func provesIn(t *testing.T, row, cell string) (found int) {
	t.Helper()
	var sources string
	for _, match := range reference.FindAllStringSubmatch(cell, -1) {
		name, spec := match[1], match[2]
		switch {
		case spec != "":
			name = `"` + spec + `"`
		case strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz"):
			name = "func " + name + "("
		default:
			sources = testsOf(t, name)
			continue
		}
		if !strings.Contains(sources, name) {
			t.Errorf("row %s names %s, which isn't in its folder", row, name)
			continue
		}
		found++
	}
	return found
}

// testsOf returns the text of the tests in a folder.
func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
