package cases

import (
	"fmt"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// thousands writes a number with spaces.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s %03d", thousands(n/1000), n%1000)
}

// Scales are what costs may grow with.
func Scales() []string { return []string{"workers", "partitions", "keys", "window"} }

func partitions(seconds float64) (all []Case) {
	for _, n := range []int{1, 8, 100, 1000} {
		t := topic(amount(load.Work{}, 100, seconds))
		t.Partitions = n
		all = append(all, Case{
			Set: "partitions", Name: thousands(n), Load: t, Workers: 100, Window: window, Rounds: 2,
			Arms: []string{arm.Sarama, arm.BurrowUnordered, arm.BurrowKey, arm.BurrowPartition},
		})
	}
	return all
}

func keys(seconds float64) (all []Case) {
	for _, n := range []int{1, 10, 100, 1000, 10_000, 100_000, 1_000_000} {
		t := topic(amount(load.Work{}, 100, seconds))
		t.Keys = n
		arms := []string{arm.Sarama, arm.BurrowKey}
		all = append(all, Case{Set: "keys", Name: thousands(n), Load: t, Workers: 100, Window: window, Rounds: 2, Arms: arms})
	}
	return all
}

func windows(seconds float64) (all []Case) {
	for _, n := range []int{100, 1000, 10_000, 100_000} {
		all = append(all, Case{
			Set: "window", Name: thousands(n), Load: topic(amount(load.Work{}, 100, seconds)), Workers: 100, Window: n, Rounds: 2,
			Arms: []string{arm.Sarama, arm.BurrowUnordered, arm.BurrowKey},
		})
	}
	return all
}

func sizes(seconds float64) (all []Case) {
	for _, s := range []struct {
		name            string
		bytes, messages int
	}{
		{"100 B", 100, amount(load.Work{}, 100, seconds)},
		{"10 KiB", 10 << 10, load.Round(100_000 * seconds)},
		{"1 MiB", 1 << 20, load.Round(1000 * seconds)},
	} {
		t := topic(s.messages)
		t.Bytes = s.bytes
		all = append(all, Case{
			Set: "sizes", Name: s.name, Load: t, Workers: 100, Window: window, Rounds: 2,
			Arms: []string{arm.Sarama, arm.Franz, arm.BurrowUnordered, arm.BurrowKey},
		})
	}
	return all
}

// slow has a partition whose messages take long. What counts are the seven others.
func slow(seconds float64) []Case {
	c := func(name string, work load.Work) Case {
		return Case{
			Set: "slow", Name: name, Load: topic(amount(load.Work{}, 100, seconds)), Work: work, Workers: 100, Window: window,
			JavaRounds: 1, Short: true, Limit: time.Duration(4*seconds) * time.Second,
			Arms: []string{arm.Sarama, arm.Franz, arm.BurrowUnordered, arm.BurrowKey, arm.BurrowPartition, arm.Watermill, arm.ParallelKey},
		}
	}
	return []Case{c("no partition", load.Work{SkipFirst: true}), c("one partition", load.Work{Slow: 20 * time.Millisecond, SkipFirst: true})}
}

// latencies have little to do: 1 000 messages a second.
func latencies() []Case {
	return []Case{{
		Set: "latency", Name: "1 000 messages a second", Load: topic(8000), Workers: 100, Window: window, Probe: arm.ProbeLatency,
		Rate: 1000, Short: true, Interval: time.Second, Limit: 20 * time.Second,
		Arms: []string{arm.Sarama, arm.BurrowUnordered, arm.BurrowKey, arm.BurrowPartition, arm.Watermill},
	}}
}

func memory() []Case {
	const held = 200_000
	one := load.Topic{Messages: held, Partitions: 1, Keys: 1, Bytes: 100}
	return []Case{
		{
			Set: "memory", Name: "queued behind their key", Load: one, Workers: 100, Window: 2 * held, Probe: arm.ProbeQueued,
			Rounds: 1, Short: true, Arms: []string{arm.Holding, arm.BurrowKey}, Limit: time.Minute,
		},
		{
			Set: "memory", Name: "finished behind the first", Load: one, Workers: 100, Window: 2 * held, Probe: arm.ProbeDone,
			Rounds: 1, Arms: []string{arm.Holding, arm.BurrowUnordered}, Limit: time.Minute,
		},
		{
			Set: "memory", Name: "10 000 000 messages", Load: topic(10_000_000), Workers: 100, Window: window, Probe: arm.ProbeFlat,
			Rounds: 1, Arms: []string{arm.Sarama, arm.BurrowUnordered, arm.BurrowKey}, Limit: time.Minute,
		},
		{
			Set: "memory", Name: "a window of 10 000 with 10 000 workers", Work: load.Work{Sleep: 100 * time.Millisecond},
			Load:    load.Topic{Messages: held, Partitions: 1, Bytes: 100},
			Workers: 10_000, Window: window, Short: true, Arms: []string{arm.Ideal, arm.BurrowUnordered, arm.BurrowKey},
		},
	}
}

// keepers know what may be committed; they consume nothing.
func keepers() []Case {
	return []Case{{
		Set: "keepers", Name: "what may be committed", Short: true, Probe: arm.ProbeKeeper,
		Arms: []string{arm.KeepWindow, arm.KeepPlain, arm.KeepMap, arm.KeepUncapped, arm.KeepCapped},
	}}
}
