// Package page writes what was measured, for terminals and as a page of the docs.
package page

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// row is the figures of an arm in a case, medians of its runs.
type row struct {
	arm.Arm
	runs             []results.Run
	rate, cpu, share float64
	allocs, rss      float64
	seconds          float64
	peak             float64
	cut              bool
}

// rows returns the arms of a case that have a good run, in their order.
func rows(f *results.File, c cases.Case) (all []row) {
	byName := make(map[string]row)
	for _, name := range c.Arms {
		runs := f.Of(c.ID(), name)
		if len(runs) == 0 {
			continue
		}
		r := row{Arm: arm.All()[name], runs: runs}
		r.rate, r.cpu = results.Median(runs, results.Rate), results.Median(runs, results.CPU)
		r.allocs = results.Median(runs, results.Allocs)
		r.rss = results.Median(runs, func(r results.Run) float64 { return float64(r.RSS) })
		r.peak = results.Median(runs, func(r results.Run) float64 { return float64(r.Peak) })
		r.seconds = results.Median(runs, func(r results.Run) float64 { return r.Seconds })
		for _, one := range runs {
			r.cut = r.cut || one.Cut
		}
		byName[name] = r
		all = append(all, r)
	}
	for i := range all {
		if ref, ok := byName[reference(c, all[i].Arm)]; ok && ref.rate > 0 {
			all[i].share = all[i].rate / ref.rate
		}
	}
	return all
}

// extra is the median of what a probe measured.
func (r row) extra(name string) float64 {
	return results.Median(r.runs, func(r results.Run) float64 { return r.Extra[name] })
}

// reference is the arm that a rate is a share of: the ideal of its ordering where
// handlers wait, else the bare loop.
func reference(c cases.Case, a arm.Arm) string {
	ideal := cases.IdealOf(a)
	for _, name := range []string{arm.IdealHeaviest, ideal, arm.Ideal, arm.Sarama} {
		for _, has := range c.Arms {
			if has == name {
				return name
			}
		}
	}
	return ""
}

// Text returns a table of the case for a terminal.
func Text(f *results.File, c cases.Case) string {
	var cells, text strings.Builder
	fmt.Fprintln(&cells, "arm\tmessages/s\tshare of\t\tCPU/message\tallocations\tpeak\tmemory\tmeasured")
	for _, r := range rows(f, c) {
		fmt.Fprintf(&cells, "%s\t%s\t%.2f\t%s\t%.2f µs\t%.1f\t%.0f\t%.0f MB\t%s\n", r.Name, Thousands(r.rate), r.share, reference(c, r.Arm),
			r.cpu*1e6, r.allocs, r.peak, r.rss/1e6, extent(r))
		for _, one := range r.runs {
			for _, name := range sortedKeys(one.Extra) {
				fmt.Fprintf(&cells, "  %s\t%.9g\n", name, one.Extra[name])
			}
		}
	}
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = out.Write([]byte(cells.String())) // to memory, like the next
	_ = out.Flush()
	for _, r := range f.Failed() {
		if r.Case == c.ID() {
			fmt.Fprintf(&text, "FAILED %s: %s\n", r.Arm, r.Error)
		}
	}
	return text.String()
}

// extent says how much was measured.
func extent(r row) string {
	text := fmt.Sprintf("%d × %.1f s", len(r.runs), r.seconds)
	if r.cut {
		text += ", cut"
	}
	return text
}
