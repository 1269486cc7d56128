package cases

import (
	"fmt"
	"slices"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// All returns every case; seconds is about how long a run takes at the ideal rate.
func All(seconds float64) []Case {
	return slices.Concat(
		noop(seconds), waiting(seconds), crowds(seconds), hot(seconds), zipf(seconds), readme(), slow(seconds), latencies(), memory(), keepers(),
		partitions(seconds/2), keys(seconds/2), windows(seconds/2), grid(seconds/2), sizes(seconds/2), // many, and less telling
	)
}

func topic(messages int) load.Topic {
	return load.Topic{Messages: messages, Partitions: 8, Bytes: 100}
}

func noop(seconds float64) []Case {
	return []Case{{
		Set: "noop", Name: "100 workers", JavaRounds: 2, Load: topic(amount(load.Work{}, 100, seconds)), Workers: 100, Window: window, Short: true,
		Arms: []string{
			arm.Sarama, arm.Franz, arm.Pool, arm.Spawn, arm.BurrowUnordered, arm.BurrowKey, arm.BurrowPartition,
			arm.Watermill, arm.ParallelUnordered, arm.ParallelKey, arm.ParallelPartition,
		},
	}}
}

// concurrent are the arms that have more messages in flight than there are partitions.
func concurrent() []string {
	return []string{arm.Pool, arm.Spawn, arm.BurrowUnordered, arm.BurrowKey, arm.ParallelUnordered, arm.ParallelKey}
}

// crossed is a case of one handler and one number of workers, without its arms.
func crossed(set string, work load.Work, workers int, seconds float64) Case {
	return Case{
		Set: set, Name: fmt.Sprintf("%v × %d", work, workers), Load: topic(amount(work, workers, seconds)), Work: work,
		Workers: workers, Window: windowFor(workers),
	}
}

func waiting(seconds float64) []Case {
	c := func(work load.Work, workers int) Case {
		one := crossed("waiting", work, workers, seconds)
		one.Short, one.JavaRounds, one.Arms = true, 2, append([]string{arm.Ideal}, concurrent()...)
		return one
	}
	return []Case{
		c(load.Work{Sleep: time.Millisecond}, 100), c(load.Work{Sleep: time.Millisecond}, 1000),
		c(load.Work{Sleep: 20 * time.Millisecond}, 1000), c(load.Work{Sleep: 4 * time.Millisecond, Random: true}, 100),
	}
}

// crowds are the cases in which the machine is nearly full, beside the least that consuming costs.
func crowds(seconds float64) (all []Case) {
	for _, c := range []struct{ ms, workers int }{{1, 1000}, {2, 1000}, {20, 10_000}} {
		one := crossed("crowd", load.Work{Sleep: time.Duration(c.ms) * time.Millisecond}, c.workers, seconds)
		one.Arms = []string{arm.Ideal, arm.Least, arm.BurrowUnordered, arm.BurrowKey}
		all = append(all, one)
	}
	return all
}

// GridWorkers are the numbers of workers of the grid.
func GridWorkers() []int { return []int{16, 100, 1000, 10_000} }

// GridWork are the handlers of the grid.
func GridWork() (all []load.Work) {
	for _, ms := range []int{0, 1, 2, 5, 20, 100} {
		all = append(all, load.Work{Sleep: time.Duration(ms) * time.Millisecond})
	}
	return all
}

// grid has the other pairs of handler and workers. Those with 100 and 1 000 workers run
// against the Parallel Consumer too, which has a thread for each.
func grid(seconds float64) (all []Case) {
	measured := waiting(seconds)
	for _, work := range GridWork() {
		for _, workers := range GridWorkers() {
			c := pair(work, workers, seconds)
			twice := !work.Waits() && workers == 100
			for _, m := range measured {
				twice = twice || (m.Work == work && m.Workers == workers)
			}
			if !twice {
				all = append(all, c)
			}
		}
	}
	return all
}

// pair is one case of the grid.
func pair(work load.Work, workers int, seconds float64) Case {
	crowded := work.Waits() && workers >= 1000
	if crowded { // it takes a part of a second to get up to speed
		seconds *= 2
	}
	c := crossed("grid", work, workers, seconds)
	c.Rounds, c.Arms = 1, []string{arm.Ideal, arm.BurrowUnordered, arm.BurrowKey}
	if !work.Waits() {
		c.Arms[0] = arm.Sarama
	}
	if crowded {
		c.Rounds = 0 // CPU is what limits them, and that swings
	}
	if workers == 100 || workers == 1000 {
		c.Arms = append(c.Arms, arm.ParallelUnordered)
	}
	if workers == 100 {
		c.Arms = append(c.Arms, arm.ParallelKey)
	}
	return c
}

// readme is the grid of the Parallel Consumer's README.
func readme() []Case {
	c := func(name string, keyed load.Topic, arms ...string) Case {
		keyed.Messages, keyed.Partitions, keyed.Bytes = 10_000, 1, 100
		return Case{
			Set: "readme", Name: name, Load: keyed, Work: load.Work{Sleep: 4 * time.Millisecond, Random: true},
			Workers: 16, Window: window, Arms: withIdeals(arms...), Rounds: 1, JavaRounds: 2, Limit: time.Minute,
		}
	}
	all := []Case{c("by partition", load.Topic{}, arm.BurrowPartition, arm.ParallelPartition)}
	for _, n := range []int{1, 2, 5, 10, 20, 50, 100, 1000, 10_000} {
		row := c(fmt.Sprintf("by key, %d keys", n), load.Topic{Keys: n}, arm.BurrowKey, arm.ParallelKey)
		row.Short = n == 20 || n == 1000
		if n >= 5 {
			row.Rounds = 0
		}
		all = append(all, row)
	}
	row := c("unordered", load.Topic{}, arm.BurrowUnordered, arm.ParallelUnordered)
	row.Short, row.Rounds = true, 0
	return append(all, row)
}

// hot has one key whose messages can only come one after the other.
func hot(seconds float64) []Case {
	one := func(messages int) load.Topic {
		return load.Topic{Messages: messages, Partitions: 1, Keys: 1, Bytes: 100}
	}
	waits := load.Work{Sleep: 100 * time.Microsecond}
	return []Case{
		{
			Set: "hot", Name: "one key, none × 100", Load: one(load.Round(noopRate * seconds)), Workers: 100, Window: window,
			Short: true, JavaRounds: 1, Arms: []string{arm.Sarama, arm.BurrowKey, arm.ParallelKey},
		},
		{
			Set: "hot", Name: "one key, 100µs × 100", Load: one(amount(waits, 1, seconds)), Work: waits, Workers: 100, Window: window,
			Short: true, JavaRounds: 1, Arms: withIdeals(arm.Sarama, arm.BurrowKey, arm.ParallelKey),
		},
	}
}

// zipf has some keys that come much more often than others.
func zipf(seconds float64) []Case {
	work := load.Work{Sleep: time.Millisecond}
	return []Case{{
		Set: "zipf", Name: "1 000 keys, 1ms × 100", Work: work, Workers: 100, Window: window, Short: true, JavaRounds: 1,
		Load: load.Topic{Messages: load.Round(20_000 * seconds), Partitions: 8, Keys: 1000, Zipf: true, Bytes: 100},
		Arms: []string{arm.IdealHeaviest, arm.BurrowKey, arm.ParallelKey}, Limit: time.Minute,
	}}
}
