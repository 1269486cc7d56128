package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/onsi/ginkgo/v2" // for testdata/suite, which go mod tidy does not see
	"github.com/onsi/ginkgo/v2/types"
)

const (
	fixture = "./testdata/suite"
	golden  = "testdata/behaviour.md"
)

func TestTheDocumentReadsAsTheSpecsDo(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "behaviour.md")
	if err := run(t.Context(), []string{"-suite", fixture, "-out", out}); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, out), read(t, golden); got != want {
		t.Errorf("wrote:\n%s\nwant:\n%s", got, want)
	}
}

func TestSpecsComeInTheOrderInWhichTheyAreWritten(t *testing.T) {
	t.Parallel()
	reports, err := dryRun(t.Context(), fixture)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(reports[0].SpecReports)
	got, err := document(reports)
	if want := read(t, golden); err != nil || got != want {
		t.Errorf("document = %v\n%s\nwant:\n%s", err, got, want)
	}
}

func TestCheckFailsOnlyWhenTheDocumentIsStale(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"-suite", fixture, "-out", golden, "-check"}); err != nil {
		t.Errorf("a fresh document is refused: %v", err)
	}
	stale := filepath.Join(t.TempDir(), "behaviour.md")
	if err := os.WriteFile(stale, []byte("what it did once"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"-suite", fixture, "-out", stale, "-check"})
	if err == nil || !strings.Contains(err.Error(), "is stale, run task docs:behaviour") {
		t.Errorf("a stale document gives %v", err)
	}
	if read(t, stale) != "what it did once" {
		t.Error("-check wrote the file")
	}
}

func TestASuiteThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"-suite", "./testdata/none"}); err == nil {
		t.Error("a suite that isn't there gives a document")
	}
	if _, err := document([]types.Report{{}}); err == nil {
		t.Error("a suite without specs gives a document")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
