package main

import (
	"os"
	"testing"
)

func TestMediansAreReadByUnit(t *testing.T) {
	t.Parallel()
	got := medians("goos: linux\nBenchmarkX/a-2  100  30 ns/op  2.5 ns/msg  0 B/op\nBenchmarkX/a-2  100  10 ns/op  7.5 ns/msg  0 B/op\nBenchmarkX/a-2  9  20 ns/op  3.5 ns/msg  0 B/op\nPASS\n")
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
