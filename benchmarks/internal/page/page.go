package page

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// Write writes the page, and the plot beside it with the ending .svg.
func Write(path string, f results.File) error {
	if len(f.Runs) == 0 {
		return errors.New("page: there are no results; measure first")
	}
	plot := strings.TrimSuffix(path, ".md") + ".svg"
	if err := os.WriteFile(plot, []byte(Plot(f)), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(Markdown(f, filepath.Base(plot))), 0o600)
}

// Markdown returns the page; plot is the name of the plot's file.
func Markdown(f results.File, plot string) string {
	var text strings.Builder
	text.WriteString(introduction(plot))
	for _, section := range []func(results.File) string{
		bars, noop, waiting, crowds, readme, keyed, slow, latency, memory, keepers, scale, grid, sizes, ahead, failed, rounds, circumstances,
	} {
		if part := section(f); part != "" {
			text.WriteString(part + "\n")
		}
	}
	return strings.TrimRight(text.String(), "\n") + "\n"
}

// of returns the cases of a set that have results, in order.
func of(f results.File, set string) (found []cases.Case) {
	for _, planned := range cases.All(1) {
		for _, c := range f.Cases {
			if planned.Set == set && planned.ID() == c.ID() {
				found = append(found, c)
			}
		}
	}
	return found
}

// armTable has a line for each arm of the case.
func armTable(f results.File, c cases.Case) string {
	t := newTable("arm", "messages/s", "share of", "CPU a message", "allocations", "peak in flight", "memory", "runs")
	for _, r := range rows(&f, c) {
		name, allocs, peak := r.Name, fmt.Sprintf("%.1f", r.allocs), Thousands(r.peak)
		if r.Unsafe {
			name += " (unsafe)"
		}
		if r.Java {
			allocs = "–"
		}
		if !c.Work.Waits() {
			peak = "–"
		}
		t.row(name, Thousands(r.rate), share(r.share)+" "+reference(c, r.Arm), micros(r.cpu), allocs, peak, megabytes(r.rss), extent(r))
	}
	return t.String()
}

// find returns an arm's figures in a case; without any, ok is false.
func find(f results.File, c cases.Case, name string) (r row, ok bool) {
	for _, r := range rows(&f, c) {
		if r.Name == name {
			return r, true
		}
	}
	return row{}, false
}
