package page

import (
	"fmt"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
	"github.com/vlab-research/burrow/internal/windowbench"
)

// keeperBars are about the window alone.
func keeperBars(f results.File) []bar {
	var alone, shared, allocs, snapshot tally
	for _, c := range of(f, "keepers") {
		r, ok := find(f, c, arm.KeepWindow)
		if !ok {
			continue
		}
		for _, order := range windowbench.Orders() {
			for _, n := range arm.KeeperSizes() {
				took := r.extra(arm.ExtraOf(order, n))
				alone.add(barWindow/took, fmt.Sprintf("%s (%s, %s)", nanos(took), order, Thousands(float64(n))))
			}
		}
		took := r.extra(arm.ExtraTwoCores)
		shared.add(barTwoCores/took, nanos(took))
		objects := r.extra(arm.ExtraAllocs)
		allocs.add(1+barAllocs-objects, fmt.Sprintf("%.2f", objects))
		least, most := r.extra(arm.ExtraSnapshotLeast), r.extra(arm.ExtraSnapshotMost)
		snapshot.add(barConstant/(most/least), fmt.Sprintf("%s to %s", nanos(least), nanos(most)))
	}
	return []bar{
		alone.as(fmt.Sprintf("window, admit and resolve: ≤ %s in order, reverse and at random with up to 10 000 in flight", nanos(barWindow))),
		shared.as(fmt.Sprintf("the same from two cores: ≤ %s", nanos(barTwoCores))),
		allocs.as("the same: 0 allocations"),
		snapshot.as(fmt.Sprintf("a snapshot takes the same, within %.0f ×, whatever the window and the gap", barConstant)),
	}
}

func memoryBars(f results.File) []bar {
	var weight, flat, crowd tally
	for _, c := range of(f, "memory") {
		held, _ := find(f, c, arm.Holding)
		for _, r := range rows(&f, c) {
			if !strings.HasPrefix(r.Name, "burrow") {
				continue
			}
			switch c.Probe {
			case arm.ProbeQueued, arm.ProbeDone:
				beyond := (r.extra("heap") - held.extra("heap")) / float64(c.Load.Messages)
				weight.add(barQueued/max(beyond, 1), fmt.Sprintf("%.0f B (%s, %s)", beyond, c.Name, r.Name))
			case arm.ProbeFlat:
				before, after := halves(r)
				flat.add(barFlat/(after/before), fmt.Sprintf("%s and %s (%s)", megabytes(before), megabytes(after), r.Name))
			default:
				crowd.add(barCrowd/r.rss, fmt.Sprintf("%s (%s)", megabytes(r.rss), r.Name))
			}
		}
	}
	return []bar{
		weight.as(fmt.Sprintf("memory: < %d B a message in the window beyond the message", barQueued)),
		flat.as(fmt.Sprintf("10 000 000 messages: mean live heap of the second half ≤ %.1f × that of the first", barFlat)),
		crowd.as(fmt.Sprintf("a window of 10 000 with 10 000 workers: < %s", megabytes(barCrowd))),
	}
}

// halves are the means of the live heap in the first and the second half of a run.
func halves(r row) (before, after float64) {
	for i := range arm.HeapSamples {
		live := r.extra(arm.ExtraLive(i)) / (arm.HeapSamples / 2)
		if i < arm.HeapSamples/2 {
			before += live
		} else {
			after += live
		}
	}
	return before, after
}

func latencyBars(f results.File) []bar {
	var added, lag tally
	for _, c := range of(f, "latency") {
		for _, r := range rows(&f, c) {
			if !strings.HasPrefix(r.Name, "burrow") {
				continue
			}
			p99 := r.extra("latency p99")
			added.add(barLatency/p99, fmt.Sprintf("%s (%s)", micros(p99), r.Name))
			most, trip := r.extra("lag max"), r.extra(arm.ExtraTrip)
			lag.add((c.Interval.Seconds()+trip)/most, fmt.Sprintf("%.0f ms, round trip %.1f ms (%s)", most*1e3, trip*1e3, r.Name))
		}
	}
	return []bar{
		added.as(fmt.Sprintf("added latency at 1 000 messages a second: p99 < %s", micros(barLatency))),
		lag.as("resolved to committed ≤ interval + one round trip"),
	}
}
