// Package docs_test keeps the documentation true: every piece of Go in it compiles,
// every link and every path in a command leads somewhere.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// block is one fenced piece of a page.
type block struct {
	page     string // path below the root
	line     int    // of its first line
	language string
	text     string
}

// pages returns the texts of README.md, CHANGELOG.md and docs/*.md, by path below the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, path := range append(paths, filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.ToSlash(below)] = string(text)
	}
	return texts
}

// blocks returns the fenced pieces of all pages in one language.
func blocks(t *testing.T, language string) []block {
	t.Helper()
	var found []block
	for page, text := range pages(t) {
		found = append(found, fenced(page, text, language)...)
	}
	if len(found) == 0 {
		t.Fatalf("no page has a piece of %s", language)
	}
	return found
}

func fenced(page, text, language string) (found []block) {
	var open *block
	for i, line := range strings.Split(text, "\n") {
		mark, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open != nil:
			if open.language == language {
				found = append(found, *open)
			}
			open = nil
		case fence:
			open = &block{page: page, line: i + 2, language: mark}
		case open != nil:
			open.text += line + "\n"
		}
	}
	return found
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)\s]*)?\)`)

func TestEveryLinkInsideTheRepositoryLeadsSomewhere(t *testing.T) {
	t.Parallel()
	for page, text := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s, which isn't there", page, target)
			}
		}
	}
}

var path = regexp.MustCompile(`(?:^|\s)(\.[\w./-]*/[\w./-]+)`)

func TestEveryPathInACommandIsThere(t *testing.T) {
	t.Parallel()
	for _, b := range blocks(t, "sh") {
		for _, match := range path.FindAllStringSubmatch(b.text, -1) {
			target := strings.TrimSuffix(match[1], "...")
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s:%d names %s, which isn't there", b.page, b.line, match[1])
			}
		}
	}
}

var (
	testName  = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	shownBy   = regexp.MustCompile(`(?s)\*Shown by:\*.*?\n\n`)
	quotation = regexp.MustCompile(`"([^"]+)"`)
	testFile  = regexp.MustCompile("`(\\w+_test\\.go)`")
)

func TestEveryTestNamedIsThere(t *testing.T) {
	t.Parallel()
	sources := testSources(t)
	for page, text := range pages(t) {
		for _, match := range testName.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(sources, "func "+match[1]+"(") {
				t.Errorf("%s names the test %s, which isn't there", page, match[1])
			}
		}
		for _, proof := range shownBy.FindAllString(text, -1) {
			for _, match := range quotation.FindAllStringSubmatch(proof, -1) {
				if spec := strings.Join(strings.Fields(match[1]), " "); !strings.Contains(sources, `"`+spec+`"`) {
					t.Errorf("%s names the spec %q, which isn't there", page, spec)
				}
			}
			for _, match := range testFile.FindAllStringSubmatch(proof, -1) {
				if _, err := os.Stat(filepath.Join(root, "suite_test", match[1])); err != nil {
					t.Errorf("%s: %v", page, err)
				}
			}
		}
	}
}

// testSources returns the text of all tests, and of the conformance suites.
func testSources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "sourcetest") {
			return err
		}
		text, readErr := os.ReadFile(path)
		if readErr == nil {
			all.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
