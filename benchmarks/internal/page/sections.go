package page

import (
	"fmt"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// section is a heading, an introduction and a table for each case.
func section(f results.File, set, head, text string) string {
	found := of(f, set)
	if len(found) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "## %s\n\n%s\n", head, text)
	for _, c := range found {
		fmt.Fprintf(&out, "\n%s; %s messages:\n\n%s", c.Name, Thousands(float64(c.Load.Messages)), armTable(f, c))
	}
	return out.String()
}

func noop(f results.File) string {
	return section(f, "noop", "When the work is nothing", "What consuming itself costs. The bare loops are the floor: they can have one message of a partition in flight.")
}

func waiting(f results.File) string {
	return section(f, "waiting", "When the work is waiting", "A handler that sleeps, times the number of workers.")
}

func keyed(f results.File) string {
	text := section(f, "hot", "One hot key", "All messages have the same key, in one partition, so each has to wait for the one before.")
	more := section(f, "zipf", "Keys of very different weight", "Key i is about 1/i as frequent as the first. The reference is the time that the heaviest key alone needs.")
	if text == "" || more == "" {
		return text + more
	}
	return text + "\n" + more
}

// grid has handlers down and workers across.
func grid(f results.File) string {
	all := append(append(of(f, "noop"), of(f, "waiting")...), of(f, "grid")...)
	if len(of(f, "grid")) == 0 {
		return ""
	}
	byKind := make(map[load.Work]map[int]cases.Case)
	for _, c := range all {
		if byKind[c.Work] == nil {
			byKind[c.Work] = make(map[int]cases.Case)
		}
		byKind[c.Work][c.Workers] = c
	}
	var text strings.Builder
	text.WriteString("## Handlers and workers\n\nShares of the ideal, and without work of the bare sarama loop: burrow unordered, by key; then Parallel Consumer unordered, by key. " +
		"The machine ends only so many sleeps a second: where the ideal comes near a bare loop's rate, CPU is what limits.\n\n")
	workers := cases.GridWorkers()
	head := []string{"handler"}
	for _, n := range workers {
		head = append(head, Thousands(float64(n))+" workers")
	}
	t := newTable(head...)
	for _, work := range cases.GridWork() {
		line := []string{work.String()}
		for _, n := range workers {
			line = append(line, gridCell(f, byKind[work], n))
		}
		t.row(line...)
	}
	return text.String() + t.String()
}

// crowds shows what of the ideal is left on a machine that is nearly full.
func crowds(f results.File) string {
	found := of(f, "crowd")
	if len(found) == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString("## When the machine is full\n\nMany handlers that wait little need a good part of the machine, and so do Sarama, the garbage collector and the broker on it. " +
		"*Least on sarama* has no more to do than any consumer must: what it doesn't reach of the ideal isn't lost in an engine. Shares of the ideal, and of that least.\n\n")
	t := newTable("handler × workers", arm.Least, arm.BurrowUnordered, "of the least", arm.BurrowKey, "of the least")
	for _, c := range found {
		least, _ := find(f, c, arm.Least)
		line := []string{c.Name, share(least.share)}
		for _, name := range []string{arm.BurrowUnordered, arm.BurrowKey} {
			own, _ := find(f, c, name)
			line = append(line, share(own.share), share(own.rate/max(least.rate, 1)))
		}
		t.row(line...)
	}
	return text.String() + t.String()
}

func gridCell(f results.File, byWorkers map[int]cases.Case, workers int) string {
	c, ok := byWorkers[workers]
	if !ok {
		return "–"
	}
	get := func(name string) string {
		r, _ := find(f, c, name)
		return share(r.share)
	}
	return fmt.Sprintf("**%s**, **%s**; %s, %s", get(arm.BurrowUnordered), get(arm.BurrowKey), get(arm.ParallelUnordered), get(arm.ParallelKey))
}

// readme is the Parallel Consumer's grid.
func readme(f results.File) string {
	found := of(f, "readme")
	if len(found) == 0 {
		return ""
	}
	t := newTable("ordering", "ideal", "burrow", "share of ideal", "Parallel Consumer", "share of ideal", "peak of burrow")
	for _, c := range found {
		line := []string{c.Name}
		var peak string
		for _, r := range rows(&f, c) {
			line = append(line, fmt.Sprintf("%.2f s", r.seconds))
			if !r.IsIdeal() {
				line = append(line, share(r.share))
			}
			if strings.HasPrefix(r.Name, "burrow") {
				peak = Thousands(r.peak)
			}
		}
		t.row(append(line, peak)...)
	}
	c := found[0]
	return fmt.Sprintf("## The grid of the Parallel Consumer's README\n\n%s messages in one partition, %s of waiting, %d workers: seconds from the first message to the last.\n\n%s",
		Thousands(float64(c.Load.Messages)), c.Work, c.Workers, t.String())
}
