package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMediansAreReadByUnit(t *testing.T) {
	t.Parallel()
	got := medians("goos: linux\n\n--- BENCH: it says 900 ns/op\nBenchmarkX/a-2  100  30 ns/op  2.5 ns/msg  0 B/op\nBenchmarkX/a-2  100  10 ns/op  7.5 ns/msg  0 B/op\nBenchmarkX/a-2  9  20 ns/op  3.5 ns/msg  0 B/op\nPASS\n")
	if got["ns/op"] != 20 || got["ns/msg"] != 3.5 || len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestATableSaysEachMessagesShareAndItsCommand(t *testing.T) {
	t.Parallel()
	one := table{"t", []string{"step", "ns", "allocations"}, []row{{"queue", "./p", "Q/10", 10, []string{nsMsg, objs}}}}
	got, err := one.body(func(row) (string, error) { return "BenchmarkQ/10-2 1 90 ns/op 9 ns/msg 5 allocs/op\n", nil })
	want := "| step | ns | allocations | `go test -run '^$' -benchmem -bench …` |\n|---|---:|---:|---|\n| queue | 9.0 | 0.50 | `'^BenchmarkQ$/^10$' ./p` |\n"
	if err != nil || got != want {
		t.Errorf("got\n%s, %v; want\n%s", got, err, want)
	}
	if _, err := one.body(func(row) (string, error) { return "PASS\n", nil }); err == nil {
		t.Error("a benchmark that isn't there is no error")
	}
	if _, err := one.body(func(row) (string, error) { return "BenchmarkQ/10-2 1 90 ns/op 9 ns/msg 5 allocs/op\n", errFails }); !errors.Is(err, errFails) {
		t.Errorf("of a benchmark that fails: %v", err)
	}
}

var errFails = errors.New("exit status 1")

func TestABenchmarkThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	if out, err := (runner{1, "1x"}).run(row{pkg: "./none", bench: "None"}); err == nil || !strings.Contains(err.Error(), "^BenchmarkNone$") {
		t.Errorf("%v; it printed %q", err, out)
	}
}

func TestFiguresHaveAsManyDigitsAsTheySay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value float64
		unit  string
		per   float64
		want  string
	}{
		{0.004, objs, 0, "0"}, {49, objs, 10_000, "0"}, {0.005, objs, 0, "0.01"}, {3, objs, 0, "3"}, {5, objs, 2, "2.50"},
		{99.94, nsOp, 0, "99.9"}, {100.4, nsOp, 0, "100"}, {1000, nsOp, 8, "125"}, {1000, nsMsg, 8, "1000"},
	} {
		if got := figure(c.value, c.unit, c.per); got != c.want {
			t.Errorf("%v %s of %v messages is %s, want %s", c.value, c.unit, c.per, got, c.want)
		}
	}
}

func TestOnlyTheTablesOfThePageAreReplaced(t *testing.T) {
	t.Parallel()
	page, want := "The page.\n", "The page.\n"
	all := func(row) (string, error) {
		return "BenchmarkAny-2 1 1 ns/op 1 ns/msg 1 allocs/op 1 B/op 1 B/msg 1 MB\n", nil
	}
	for _, one := range tables() {
		body, err := one.body(all)
		if err != nil {
			t.Fatal(err)
		}
		from, to := "Before.\n<!-- "+one.name+" -->\n", "<!-- end of "+one.name+" -->\nBehind.\n"
		page += from + "old\n" + to
		want += from + "\n" + body + "\n" + to
	}
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(path, func(row) (string, error) { return "", errFails }); !errors.Is(err, errFails) {
		t.Errorf("of benchmarks that fail: %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != page {
		t.Errorf("after benchmarks that fail:\n%s", got)
	}
	if err := write(path, all); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(path); string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, torn := range []string{"", "<!-- path -->\n", "<!-- end of path -->"} {
		if _, err := replace(torn, "path", ""); err == nil {
			t.Errorf("%q has a place for a table", torn)
		}
	}
}

func TestThePageHasAPlaceForEachTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range tables() {
		if _, err := replace(string(text), one.name, ""); err != nil {
			t.Error(err)
		}
	}
}
