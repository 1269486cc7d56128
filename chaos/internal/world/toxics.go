package world

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/judge"
)

// poison is a fault made of toxics on the line to one broker or to all.
type poison struct {
	name     string
	weight   int
	all      bool // on the lines to all brokers
	from, to time.Duration
	toxics   func(rng *rand.Rand) []toxic
}

func toxics() []poison {
	both := func(kind string, attributes map[string]any) []toxic {
		return []toxic{
			{Type: kind, Stream: "downstream", Attributes: attributes},
			{Type: kind, Stream: "upstream", Attributes: attributes},
		}
	}
	down := func(kind, attribute string, value int) []toxic {
		return []toxic{{Type: kind, Stream: "downstream", Attributes: map[string]any{attribute: value}}}
	}
	return []poison{
		{"latency", 2, true, 3 * time.Second, 10 * time.Second, func(rng *rand.Rand) []toxic {
			return []toxic{{Type: "latency", Stream: "downstream", Attributes: map[string]any{
				"latency": 50 + rng.IntN(500), "jitter": rng.IntN(300),
			}}}
		}},
		{"long latency", 1, false, 5 * time.Second, 15 * time.Second, func(rng *rand.Rand) []toxic {
			return down("latency", "latency", 1000+rng.IntN(4000))
		}},
		{"slow line", 1, false, 5 * time.Second, 12 * time.Second, func(rng *rand.Rand) []toxic {
			return down("bandwidth", "rate", 1+rng.IntN(50))
		}},
		{"half-open", 2, false, time.Second, 15 * time.Second, func(*rand.Rand) []toxic {
			return both("timeout", map[string]any{"timeout": 0})
		}},
		{"replies lost", 2, false, time.Second, 8 * time.Second, func(*rand.Rand) []toxic {
			return down("timeout", "timeout", 0)
		}},
		{"reset", 2, false, time.Second, 5 * time.Second, func(rng *rand.Rand) []toxic {
			return down("reset_peer", "timeout", rng.IntN(1000))
		}},
		{"truncated reply", 2, false, time.Second, 5 * time.Second, func(rng *rand.Rand) []toxic {
			return down("limit_data", "bytes", 100+rng.IntN(20_000))
		}},
		{"slow close", 1, true, 2 * time.Second, 5 * time.Second, func(rng *rand.Rand) []toxic {
			return down("slow_close", "delay", 500+rng.IntN(3000))
		}},
	}
}

func (t poison) fault() fault {
	return fault{t.name, t.weight, false, t.strike}
}

func (t poison) strike(ctx context.Context, r *round, rng *rand.Rand) (err error) {
	struck := r.cluster.proxies
	if i := rng.IntN(brokers); !t.all {
		struck = struck[i : i+1]
	}
	r.disturb(t.name, judge.Everyone)
	for _, x := range t.toxics(rng) {
		for _, p := range struck {
			if err := p.add(x); err != nil {
				return err
			}
		}
	}
	hold(ctx, rng, t.from, t.to)
	for _, p := range struck {
		if healErr := p.heal(); healErr != nil {
			err = healErr
		}
	}
	return err
}
