package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/world"
)

// report prints the figures of all rounds, what each kind of fault cost, and what broke.
func report(results []world.Result) {
	if len(results) == 0 {
		return
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	reportRounds(out, results)
	reportFaults(out, results)
	reportSituations(out, results)
	reportTotals(out, results)
	_ = out.Flush() // nothing to be done when the terminal is gone
	for _, r := range results {
		for _, broken := range r.Broken {
			fmt.Printf("BROKEN in round %d: %s\n", r.Number, broken)
		}
	}
}

func reportRounds(out io.Writer, results []world.Result) {
	row := func(name string, value func(world.Result) any) {
		fmt.Fprint(out, name)
		for _, r := range results {
			fmt.Fprintf(out, "\t%v", value(r))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
	row("round", func(r world.Result) any { return r.Number })
	row("balance strategy", func(r world.Result) any { return r.Strategy })
	row("ordering", func(r world.Result) any { return r.Ordering })
	row("topic", func(r world.Result) any { return r.Topic })
	row("members", func(r world.Result) any { return membership(r.Static) })
	row("lasted", func(r world.Result) any { return r.Lasted.Round(time.Second) })
	row("messages", func(r world.Result) any { return r.Produced })
	row("handlers finished", func(r world.Result) any { return r.Finished })
	row("handlers failed", func(r world.Result) any { return r.Failures })
	row("messages lost", func(r world.Result) any { return r.Lost })
	row("messages repeated", func(r world.Result) any { return r.Repeats })
	row("faults", func(r world.Result) any { return len(r.Faults) })
	row("tenures", func(r world.Result) any { return r.Tenures })
	row("rebalances seen", func(r world.Result) any { return r.Rebalances })
	row("commits acknowledged", func(r world.Result) any { return r.Commits })
	row("commits to try again", func(r world.Result) any { return r.Refused })
	row("commits fenced", func(r world.Result) any { return r.Fenced })
	row("zombies' commits fenced", func(r world.Result) any { return r.Zombies })
	row("finished out of order", func(r world.Result) any { return r.Gaps })
	row("came while their key was busy", func(r world.Result) any { return r.Chances })
	row("pairs of a key in order", func(r world.Result) any { return r.Pairs })
	row("overlaps with a zombie", func(r world.Result) any { return r.Overlaps })
	row("messages aborted", func(r world.Result) any { return r.Aborted })
	row("offsets without a message", func(r world.Result) any { return r.Holes })
	row("partitions that end in a marker", func(r world.Result) any { return r.BehindMarkers })
	row("messages deleted unseen", func(r world.Result) any { return r.Deleted })
	row("offsets reported as skipped", func(r world.Result) any { return r.Reported })
	row("static members back after kill -9", func(r world.Result) any { return r.Returned })
	row("static members fenced by name", func(r world.Result) any { return r.Replaced })
	row("longest without progress", func(r world.Result) any { return r.LongestStall.Round(time.Millisecond) })
	row("slowest calm exit", func(r world.Result) any { return r.SlowestExit.Round(time.Millisecond) })
	row("late for want of a CPU", func(r world.Result) any { return r.Late })
	row("calm breaks for want of a CPU", func(r world.Result) any { return r.Excused })
	row("older answers of a former coordinator", func(r world.Result) any { return r.OldAnswers })
	row("starts of a zombie", func(r world.Result) any { return r.Stale })
	row("partitions as Kafka's tool says", func(r world.Result) any { return r.Agreed })
	row("starved processes, longest", func(r world.Result) any {
		return fmt.Sprintf("%d, %v", r.Stalls, r.LongestFreeze.Round(time.Millisecond))
	})
	row("starts without a broker", func(r world.Result) any { return r.FailedStarts })
	row("promises broken", func(r world.Result) any { return len(r.Broken) })
}

// reportTotals prints what all rounds came to.
func reportTotals(out io.Writer, results []world.Result) {
	sum := func(in func(world.Result) int64) int64 { return situation{in: in}.reached(results) }
	var slowest, stall time.Duration
	for _, r := range results {
		slowest, stall = max(slowest, r.SlowestExit), max(stall, r.LongestStall)
	}
	fmt.Fprintf(out, "\nall rounds\t%d\n", len(results))
	for _, total := range []situation{
		{"messages", func(r world.Result) int64 { return r.Produced }},
		{"messages lost", func(r world.Result) int64 { return int64(r.Lost) }},
		{"messages repeated", func(r world.Result) int64 { return r.Repeats }},
		{"in flight at the faults that repeated them", func(r world.Result) (n int64) {
			for _, f := range r.Faults {
				n += f.Risk
			}
			return n
		}},
		{"faults", func(r world.Result) int64 { return int64(len(r.Faults)) }},
		{"messages that came while their key was busy", func(r world.Result) int64 { return r.Chances }},
		{"pairs of a key in order", func(r world.Result) int64 { return r.Pairs }},
		{"commits acknowledged", func(r world.Result) int64 { return r.Commits }},
		{"messages aborted", func(r world.Result) int64 { return r.Aborted }},
		{"messages deleted unseen", func(r world.Result) int64 { return r.Deleted }},
		{"offsets reported as skipped", func(r world.Result) int64 { return r.Reported }},
		{"partitions as Kafka's tool says", func(r world.Result) int64 { return int64(r.Agreed) }},
		{"promises broken", func(r world.Result) int64 { return int64(len(r.Broken)) }},
	} {
		fmt.Fprintf(out, "%s\t%d\n", total.name, sum(total.in))
	}
	fmt.Fprintf(out, "longest without progress\t%v\n", stall.Round(time.Millisecond))
	fmt.Fprintf(out, "slowest calm exit\t%v\n", slowest.Round(time.Millisecond))
}

// cost is what the faults of one kind came to.
type cost struct{ times, repeats, most, risk int64 }

func reportFaults(out io.Writer, results []world.Result) {
	costs := make(map[string]cost)
	for _, r := range results {
		for _, f := range r.Faults {
			c := costs[f.Kind]
			costs[f.Kind] = cost{c.times + 1, c.repeats + f.Repeats, max(c.most, f.Repeats), c.risk + f.Risk}
		}
	}
	fmt.Fprintln(out, "\nfault\ttimes\tmessages repeated\tmost by one\tin flight at it")
	for _, kind := range slices.Sorted(maps.Keys(costs)) {
		c := costs[kind]
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\n", kind, c.times, c.repeats, c.most, c.risk)
	}
}

func reportSituations(out io.Writer, results []world.Result) {
	fmt.Fprintln(out, "\nsituation\treached")
	for _, s := range situations() {
		fmt.Fprintf(out, "%s\t%d\n", s.name, s.reached(results))
	}
}

func membership(static bool) string {
	if static {
		return "static"
	}
	return "dynamic"
}
