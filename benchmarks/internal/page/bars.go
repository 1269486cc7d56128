package page

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// The bars: what burrow is to reach.
const (
	barUnordered  = 1.0  // of the bare loop's rate, without work
	barKey        = 0.9  // the same by distinct keys
	barCPU        = 1.1  // of the bare loop's CPU
	barAllocs     = 0.05 // objects a message beyond the bare loop's: none, but for what a run allocates once
	barWaiting    = 0.97 // of the ideal
	barShortWaits = 0.95 // the same up to shortWait, for zipf and in the README's grid
	shortWait     = 2 * time.Millisecond
	barHot        = 0.7
	barWindow     = 15e-9
	barTwoCores   = 60e-9
	barConstant   = 2.0 // between the quickest and the slowest snapshot, of windows that differ by 10 000
	barSlow       = 0.8
	barQueued     = 200   // bytes
	barFlat       = 1.5   // between the means of the two halves
	barCrowd      = 100e6 // bytes
	barLatency    = 100e-6
	barDoubling   = 2.0
)

// bar is one line: what is to be reached, what was, and whether that will do.
type bar struct {
	text, measured string
	met            bool
}

// tally collects figures of which each has to reach a bar.
type tally struct {
	all, met int
	worst    string
	margin   float64
}

// add counts a figure; margin is above 1 if it does better than its bar.
func (t *tally) add(margin float64, text string) {
	t.all++
	if margin >= 1 {
		t.met++
	}
	if t.worst == "" || margin < t.margin {
		t.worst, t.margin = text, margin
	}
}

// as returns the line; of one figure only the figure.
func (t *tally) as(text string) bar {
	b := bar{text: text, met: t.all == t.met}
	switch t.all {
	case 0:
	case 1:
		b.measured = t.worst
	default:
		b.measured = fmt.Sprintf("%d of %d; worst: %s", t.met, t.all, t.worst)
	}
	return b
}

// bars holds the results against what is to be reached.
func bars(f results.File) string {
	t := newTable("what", "measured", "")
	met, open, missing := 0, 0, 0
	for _, b := range slices.Concat(noopBars(f), waitingBars(f), readmeBars(f), keyedBars(f), keeperBars(f), memoryBars(f), latencyBars(f), growthBars(f), []bar{aheadBar(f)}) {
		verdict := "**not met**"
		switch {
		case b.measured == "":
			b.measured, verdict = "–", "not measured"
			missing++
		case b.met:
			verdict = "met"
			met++
		default:
			open++
		}
		t.row(b.text, b.measured, verdict)
	}
	return fmt.Sprintf("## What is to be reached\n\n%d met, %d not met, %d not measured. Medians of the rounds; which case had how many is [below](#rounds).\n\n%s", met, open, missing, t)
}

func noopBars(f results.File) []bar {
	var rate, key, cpu, allocs tally
	for _, c := range of(f, "noop") {
		floor, ok := find(f, c, arm.Sarama)
		for _, name := range []string{arm.BurrowUnordered, arm.BurrowKey} {
			r, has := find(f, c, name)
			if !ok || !has {
				continue
			}
			to, least := &rate, barUnordered
			if name == arm.BurrowKey {
				to, least = &key, barKey
			}
			to.add(r.share/least, share(r.share))
			cpu.add(barCPU/(r.cpu/floor.cpu), fmt.Sprintf("%s, %.2f ×", name, r.cpu/floor.cpu))
			more := r.allocs - floor.allocs
			allocs.add(1+barAllocs-more, fmt.Sprintf("%s, %.2f more", name, more))
		}
	}
	return []bar{
		rate.as(fmt.Sprintf("no work, 100 workers: unordered ≥ %.2f of the bare sarama loop", barUnordered)),
		key.as(fmt.Sprintf("the same by distinct keys ≥ %.2f", barKey)),
		cpu.as(fmt.Sprintf("CPU a message ≤ %.1f × the bare loop's, unordered and by key", barCPU)),
		allocs.as("no allocation a message beyond Sarama's own"),
	}
}

// waitingBars looks at the cases in which the ideal is under half of the rate without work.
func waitingBars(f results.File) []bar {
	var rate, short, peak tally
	limit := math.Inf(1)
	for _, c := range of(f, "noop") {
		if r, ok := find(f, c, arm.BurrowUnordered); ok {
			limit = r.rate / 2
		}
	}
	for _, c := range slices.Concat(of(f, "waiting"), of(f, "grid")) {
		ideal, ok := find(f, c, arm.Ideal)
		if !ok || !c.Work.Waits() || ideal.rate > limit {
			continue
		}
		for _, name := range []string{arm.BurrowUnordered, arm.BurrowKey} {
			r, has := find(f, c, name)
			if !has {
				continue
			}
			peak.add(r.peak/float64(c.Workers), fmt.Sprintf("%s of %s (%s, %s)", Thousands(r.peak), Thousands(float64(c.Workers)), c.Name, name))
			text := fmt.Sprintf("%s (%s, %s)", share(r.share), c.Name, name)
			if c.Work.Mean() <= shortWait {
				short.add(r.share/barShortWaits, text)
			} else {
				rate.add(r.share/barWaiting, text)
			}
		}
	}
	return []bar{
		short.as(fmt.Sprintf("waiting %v at most on average: ≥ %.2f of the ideal, where that is under half of the rate without work", shortWait, barShortWaits)),
		rate.as(fmt.Sprintf("waiting longer: ≥ %.2f of the ideal, as above", barWaiting)),
		peak.as("peak in flight = workers, as above: more than the rate times the wait can't be in flight"),
	}
}

func readmeBars(f results.File) []bar {
	var ideal, peers tally
	for _, c := range of(f, "readme") {
		all := rows(&f, c)
		for _, r := range all {
			if !strings.HasPrefix(r.Name, "burrow") {
				continue
			}
			ideal.add(r.share/barShortWaits, fmt.Sprintf("%s (%s)", share(r.share), c.Name))
			for _, peer := range all {
				if peer.Java {
					peers.add(peer.seconds/r.seconds, fmt.Sprintf("%.2f s beside %.2f s (%s)", r.seconds, peer.seconds, c.Name))
				}
			}
		}
	}
	return []bar{
		ideal.as(fmt.Sprintf("the grid of the Parallel Consumer's README: ≥ %.2f of the ideal in every row", barShortWaits)),
		peers.as("the same: ahead of the Parallel Consumer in every row"),
	}
}

func keyedBars(f results.File) []bar {
	var zipf, hot, slow tally
	for _, c := range of(f, "zipf") {
		if r, ok := find(f, c, arm.BurrowKey); ok {
			zipf.add(r.share/barShortWaits, share(r.share))
		}
	}
	for _, c := range of(f, "hot") {
		if r, ok := find(f, c, arm.BurrowKey); ok && c.Work == (load.Work{}) {
			hot.add(r.share/barHot, share(r.share))
		}
	}
	if found := of(f, "slow"); len(found) == 2 {
		for _, r := range rows(&f, found[0]) {
			if beside, ok := find(f, found[1], r.Name); ok && strings.HasPrefix(r.Name, "burrow") {
				slow.add(beside.rate/r.rate/barSlow, fmt.Sprintf("%s (%s)", share(beside.rate/r.rate), r.Name))
			}
		}
	}
	return []bar{
		zipf.as(fmt.Sprintf("keys of very different weight: ≥ %.2f of what the heaviest key alone needs", barShortWaits)),
		hot.as(fmt.Sprintf("one hot key, no work: ≥ %.1f of the bare loop on one partition", barHot)),
		slow.as(fmt.Sprintf("one slow partition of eight: the others keep ≥ %.1f of their speed", barSlow)),
	}
}

// aheadBar counts the cases in which a peer is ahead.
func aheadBar(f results.File) bar {
	behind, pairs := peersAhead(f)
	b := bar{text: "ahead of every peer but the bare loops in every case", met: len(behind) == 0}
	if pairs > 0 {
		b.measured = fmt.Sprintf("%d of %d", pairs-len(behind), pairs)
	}
	return b
}

// growthBars looks at the steepest step of each row of the costs.
func growthBars(f results.File) (all []bar) {
	for _, set := range cases.Scales() {
		var t tally
		for _, name := range []string{arm.BurrowUnordered, arm.BurrowKey, arm.BurrowPartition} {
			for _, s := range steps(f, set, name) {
				t.add(barDoubling/s.perDoubling, fmt.Sprintf("%.2f × from %s to %s (%s)", s.perDoubling, Thousands(s.from), Thousands(s.to), name))
			}
		}
		all = append(all, t.as(fmt.Sprintf("twice the %s cost a message ≤ %.0f × the CPU", set, barDoubling)))
	}
	return all
}
