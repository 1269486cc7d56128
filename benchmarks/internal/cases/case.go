// Package cases says what is measured: which load, which work, which arms.
package cases

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// Case is one comparison.
type Case struct {
	Set     string
	Name    string // unique within the set
	Load    load.Topic
	Work    load.Work
	Workers int
	Window  int
	Arms    []string
	// Rounds is how often each arm runs at most; 0 is as often as the command line says.
	Rounds int
	// JavaRounds is the same for arms in Java, which take longer to start.
	JavaRounds int
	// WarmUp is how long those may take to get warm, and Ramp how long to get up to speed.
	WarmUp, Ramp time.Duration
	// Short cases are those of a short run.
	Short bool
	Probe string
	// Rate is how many messages a second are produced while the arms run; 0 produces all before.
	Rate     int
	Interval time.Duration
	// Limit is how long an arm may take; 0 is a few times what the ideal takes.
	Limit time.Duration
}

// ID tells cases apart.
func (c Case) ID() string { return c.Set + "/" + c.Name }

const (
	window = 10_000 // burrow's, by default
	// noopRate is about what a bare loop does in a second, for choosing how many messages.
	noopRate = 2_000_000
	// sleepRate is about how many sleeps a second this kind of machine can end.
	sleepRate = 600_000
)

// windowFor returns burrow's window: its default, and more for very many workers.
func windowFor(workers int) int { return max(window, 2*workers) }

// warmUp is how long an arm in Java may take until what a message costs falls no more.
const warmUp = time.Minute

// ramp is what an arm in Java isn't measured in at the start of a run. Where all messages have
// to be done, as in its own README's grid, everything counts.
func ramp(c Case) time.Duration {
	if c.Set == "readme" || c.Set == "zipf" {
		return 0
	}
	return time.Second
}

// amount is how many messages n workers handle in about that many seconds.
func amount(w load.Work, workers int, seconds float64) int {
	if w.Mean() == 0 {
		return load.Round(noopRate * seconds)
	}
	perSecond := float64(workers) / (w.Mean() + 60*time.Microsecond).Seconds()
	return load.Round(min(perSecond, sleepRate) * seconds)
}

// Plan chooses cases.
type Plan struct {
	Sets    []string // all if none
	Match   func(Case) bool
	Short   bool
	Seconds float64 // about how long a run takes at the ideal rate
}

// List returns the cases of the plan, the main ones first.
func List(p Plan) ([]Case, error) {
	var list []Case
	known := make(map[string]bool)
	for _, c := range All(p.Seconds) {
		c.WarmUp, c.Ramp = warmUp, ramp(c)
		known[c.Set] = true
		switch {
		case len(p.Sets) > 0 && !slices.Contains(p.Sets, c.Set):
		case p.Short && !c.Short:
		case p.Match != nil && !p.Match(c):
		default:
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b Case) int { return cmp.Compare(rank(a), rank(b)) })
	for _, set := range p.Sets {
		if !known[set] {
			return nil, fmt.Errorf("no set %q", set)
		}
	}
	return list, nil
}

func rank(c Case) int {
	if c.Short {
		return 0
	}
	return 1
}

// withIdeals puts the ideals before the arms that are held against them.
func withIdeals(arms ...string) []string {
	all, added := arm.All(), []string(nil)
	for _, name := range arms {
		if ideal := IdealOf(all[name]); !slices.Contains(added, ideal) {
			added = append(added, ideal)
		}
	}
	return append(added, arms...)
}

// IdealOf returns the ideal that an arm is held against.
func IdealOf(a arm.Arm) string {
	switch a.Lanes {
	case load.KeyLanes:
		return arm.IdealKey
	case load.PartitionLanes:
		return arm.IdealPartition
	case load.HeaviestKey, load.NoLanes:
	}
	return arm.Ideal
}
