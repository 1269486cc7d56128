package page

import (
	"fmt"
	"math"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// scale shows how costs grow.
func scale(f results.File) string {
	var text strings.Builder
	for _, s := range []struct{ set, column, note string }{
		{"workers", "workers", "Workers, without work:"},
		{"partitions", "partitions", "Partitions, without work and with 100 workers:"},
		{"keys", "keys", "Distinct keys, without work and with 100 workers:"},
		{"window", "window", "Window, without work and with 100 workers:"},
	} {
		if found := ofScale(f, s.set); len(found) > 1 {
			fmt.Fprintf(&text, "\n%s\n\n%s", s.note, scaleTable(f, s.column, found))
		}
	}
	if text.Len() == 0 {
		return ""
	}
	return "## How costs grow\n\nShares are of the bare sarama loop in the same case. *Per doubling* is by what the CPU a message grew from the line above for each doubling: " +
		"2.00 is linear, 1.00 is not at all.\n" + text.String()
}

// ofScale returns the cases of a set; those of workers are the grid's without work.
func ofScale(f results.File, set string) (found []cases.Case) {
	if set != "workers" {
		return of(f, set)
	}
	for _, n := range cases.GridWorkers() {
		for _, c := range append(of(f, "noop"), of(f, "grid")...) {
			if !c.Work.Waits() && c.Workers == n {
				found = append(found, c)
			}
		}
	}
	return found
}

// scaleName is what a case has that the others of its set don't.
func scaleName(c cases.Case) string {
	if c.Set == "noop" || c.Set == "grid" {
		return Thousands(float64(c.Workers))
	}
	return c.Name
}

func scaleTable(f results.File, column string, found []cases.Case) string {
	arms := []string{arm.BurrowUnordered, arm.BurrowKey, arm.BurrowPartition}
	head := []string{column, arm.Sarama + ", messages/s", "CPU"}
	var used []string
	for _, name := range arms {
		for _, c := range found {
			if _, ok := find(f, c, name); ok {
				used = append(used, name)
				head = append(head, name, "CPU", "per doubling", "memory")
				break
			}
		}
	}
	t := newTable(head...)
	for _, c := range found {
		floor, _ := find(f, c, arm.Sarama)
		line := []string{scaleName(c), Thousands(floor.rate), micros(floor.cpu)}
		for _, name := range used {
			if r, ok := find(f, c, name); ok {
				line = append(line, share(r.share), micros(r.cpu), growth(f, column, name, number(c)), megabytes(r.rss))
			} else {
				line = append(line, "–", "–", "–", "–")
			}
		}
		t.row(line...)
	}
	return t.String()
}

// step is from one case to the next larger one.
type step struct{ from, to, perDoubling float64 }

// steps returns how an arm's CPU a message grows with what a set varies.
func steps(f results.File, set, name string) (all []step) {
	var n, cpu float64
	for _, c := range ofScale(f, set) {
		r, ok := find(f, c, name)
		if !ok || r.cpu == 0 {
			continue
		}
		to := number(c)
		if cpu > 0 {
			all = append(all, step{n, to, math.Pow(r.cpu/cpu, 1/math.Log2(to/n))})
		}
		n, cpu = to, r.cpu
	}
	return all
}

// growth is the step that ends at n.
func growth(f results.File, set, name string, n float64) string {
	for _, s := range steps(f, set, name) {
		if s.to == n {
			return fmt.Sprintf("%.2f", s.perDoubling)
		}
	}
	return ""
}

func sizes(f results.File) string {
	return section(f, "sizes", "Sizes of messages", "Without work, 100 workers.")
}

// slow compares the seven partitions beside a slow one with the same without it.
func slow(f results.File) string {
	found := of(f, "slow")
	if len(found) != 2 {
		return ""
	}
	t := newTable("arm", "no partition is slow, messages/s", "one is", "share that is left")
	for _, r := range rows(&f, found[0]) {
		beside, ok := find(f, found[1], r.Name)
		left := "–"
		if ok && r.rate > 0 {
			left = share(beside.rate / r.rate)
		}
		t.row(r.Name, Thousands(r.rate), Thousands(beside.rate), left)
	}
	return fmt.Sprintf("## One slow partition\n\nOf eight partitions one takes %v a message, the others no time; what counts are the seven others.\n\n%s", found[1].Work.Slow, t.String())
}

// latency is what is added to messages that come slowly.
func latency(f results.File) string {
	found := of(f, "latency")
	if len(found) == 0 {
		return ""
	}
	c := found[0]
	t := newTable("arm", "to the handler: p50", "p99", "max", "to the commit: p50", "p99", "max", "CPU a message")
	for _, r := range rows(&f, c) {
		line := []string{r.Name}
		for _, name := range []string{"latency p50", "latency p99", "latency max"} {
			line = append(line, micros(r.extra(name)))
		}
		for _, name := range []string{"lag p50", "lag p99", "lag max"} {
			text := "–"
			if lag := r.extra(name); lag > 0 {
				text = fmt.Sprintf("%.0f ms", lag*1e3)
			}
			line = append(line, text)
		}
		t.row(append(line, micros(r.cpu))...)
	}
	return fmt.Sprintf("## Latency\n\n%s messages a second: from the moment before sarama gives a message to its channel until the handler runs, and from the handler's end until the "+
		"broker acknowledged a commit that covers it, with a commit interval of %v. CPU is the whole process's, most of it for fetching each message by itself.\n\n%s", Thousands(float64(c.Rate)), c.Interval, t.String())
}
