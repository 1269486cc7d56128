package page_test

import (
	"strings"
	"testing"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/benchmarks/internal/page"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// file has the case, with each arm at its rate.
func file(t *testing.T, id string, rates map[string]float64) results.File {
	t.Helper()
	all, err := cases.List(cases.Plan{Seconds: 2, Match: func(c cases.Case) bool { return c.ID() == id }})
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %d cases, %v", id, len(all), err)
	}
	f := results.File{Cases: all, Sessions: make([]results.Session, 1)}
	for name, rate := range rates {
		figures := load.Figures{Handled: 1_000_000, Seconds: 1e6 / rate, CPU: 1, Allocs: 1e6, Peak: int64(all[0].Workers)}
		f.Runs = append(f.Runs, results.Run{Case: id, Arm: name, Round: 1, Result: arm.Result{Figures: figures}})
	}
	return f
}

// verdict finds a bar's line.
func verdict(t *testing.T, f results.File, text string) string {
	t.Helper()
	for line := range strings.Lines(page.Markdown(f, "plot.svg")) {
		if strings.HasPrefix(line, "| "+text) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no line %q", text)
	return ""
}

func TestABarIsMetOrNotByWhatWasMeasured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, id string
		rates    map[string]float64
		bar      string
		want     string
	}{
		{"as quick", "noop/100 workers", map[string]float64{arm.Sarama: 100, arm.BurrowUnordered: 101}, "no work, 100 workers: unordered", "| 1.01 | met |"},
		{"slower", "noop/100 workers", map[string]float64{arm.Sarama: 100, arm.BurrowUnordered: 97}, "no work, 100 workers: unordered", "| 0.97 | **not met** |"},
		{"no reference", "noop/100 workers", map[string]float64{arm.BurrowUnordered: 97}, "no work, 100 workers: unordered", "| – | not measured |"},
		{"a peer is ahead", "noop/100 workers", map[string]float64{arm.Sarama: 100, arm.BurrowUnordered: 97, arm.Pool: 98}, "ahead of every peer", "| 0 of 1 | **not met** |"},
		{"a bare loop may be ahead", "noop/100 workers", map[string]float64{arm.Sarama: 100, arm.BurrowUnordered: 97, arm.Spawn: 9}, "ahead of every peer", "| 1 of 1 | met |"},
		{"waiting", "waiting/20ms × 1000", map[string]float64{arm.Ideal: 100, arm.BurrowUnordered: 98, arm.BurrowKey: 96}, "waiting longer", "| 1 of 2; worst: 0.96 (20ms × 1000, burrow by key) | **not met** |"},
		{"busy", "waiting/20ms × 1000", map[string]float64{arm.Ideal: 100, arm.BurrowUnordered: 98}, "peak in flight", "met |"},
		{"the Parallel Consumer", "readme/by key, 20 keys", map[string]float64{arm.IdealKey: 100, arm.BurrowKey: 96, arm.ParallelKey: 97}, "the same: ahead", "**not met** |"},
	} {
		if got := verdict(t, file(t, c.id, c.rates), c.bar); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
	}
}

func TestGrowthIsForEachDoubling(t *testing.T) {
	t.Parallel()
	f := file(t, "keys/100", map[string]float64{arm.Sarama: 100, arm.BurrowKey: 100})
	more := file(t, "keys/1 000", map[string]float64{arm.Sarama: 100, arm.BurrowKey: 100})
	f.Cases = append(f.Cases, more.Cases...)
	for _, r := range more.Runs {
		r.CPU *= 100 // for ten times the keys
		f.Runs = append(f.Runs, r)
	}
	if got := verdict(t, f, "twice the keys"); !strings.HasSuffix(got, "| 4.00 × from 100 to 1 000 (burrow by key) | **not met** |") {
		t.Error(got)
	}
}
