// Chaos runs workers built from this repository against three real Kafka brokers,
// disturbs both for a while, and judges whether a promise was broken.
//
//	go run . -duration 3m -seed 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/worker"
	"github.com/vlab-research/burrow/chaos/internal/world"
)

func main() {
	job, is, err := worker.FromEnvironment()
	switch {
	case err != nil:
	case is:
		err = worker.Run(job)
	default:
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errBroken = errors.New("chaos: promises were broken")

// options are what the command line says.
type options struct {
	duration time.Duration
	seed     uint64
	rate     int
	dir      string
	debug    bool
}

func parse() options {
	var o options
	flag.DurationVar(&o.duration, "duration", 3*time.Minute, "how long to run")
	flag.Uint64Var(&o.seed, "seed", 1, "what is drawn; the same seed draws the same")
	flag.IntVar(&o.rate, "rate", 2000, "messages a second")
	flag.StringVar(&o.dir, "dir", "", "where to keep ledgers and logs; by default a temporary folder, removed when nothing broke")
	flag.BoolVar(&o.debug, "debug", false, "have the workers log everything")
	flag.Parse()
	return o
}

func run() error {
	o := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	keep := o.dir != ""
	if !keep {
		dir, err := os.MkdirTemp("", "burrow-chaos-")
		if err != nil {
			return err
		}
		o.dir = dir
	}
	fmt.Printf("chaos: seed %d, %v, %d messages a second; ledgers in %s\n", o.seed, o.duration, o.rate, o.dir)
	results, err := rounds(ctx, o)
	report(results)
	broken := slices.ContainsFunc(results, func(r world.Result) bool { return len(r.Broken) > 0 })
	if missed := missed(results); o.duration >= long && len(missed) > 0 {
		fmt.Printf("VACUOUS: never reached: %s\n", strings.Join(missed, ", "))
		broken = true
	}
	if broken {
		err = errors.Join(err, errBroken)
	}
	if err != nil {
		return fmt.Errorf("%w\nreplay: task chaos DURATION=%v SEED=%d; ledgers and logs: %s", err, o.duration, o.seed, o.dir)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(o.dir)
}

// long is how much of a run must reach every situation.
const long = 10 * time.Minute

// tolerated is how many rounds may fail, broken as they are, before a run gives up.
const tolerated = 1

// overhead is what a round takes beside its chaos.
const overhead = 25 * time.Second

func rounds(ctx context.Context, o options) (results []world.Result, err error) {
	began := time.Now()
	starting, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cluster, err := world.StartCluster(starting)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	fmt.Printf("three brokers and their proxies run after %v\n", time.Since(began).Round(time.Second))
	deadline := began.Add(o.duration)
	failures := 0
	for i := 0; ctx.Err() == nil; i++ {
		left := time.Until(deadline) - overhead
		chaos := min(max(o.duration/3-overhead, 20*time.Second), 3*time.Minute)
		if i > 0 && left < chaos/2 {
			return results, nil
		}
		result, err := cluster.Round(ctx, plan(o, i, min(chaos, max(left, 20*time.Second))))
		if err != nil {
			result.Broken = append(result.Broken, fmt.Sprintf("the round did not come to its end: %v", err))
			failures++
		}
		results = append(results, result)
		if failures > tolerated {
			return results, err
		}
		if len(result.Broken) == 0 && o.duration > long {
			_ = os.RemoveAll(result.Dir) // a long run would fill the disk
		}
	}
	return results, context.Cause(ctx)
}

func strategies() []string { return []string{"cooperative-sticky", "range", "sticky"} }
func orderings() []string  { return []string{"by-key", "by-partition", "unordered"} }
func topics() []string {
	return []string{world.Deleted, world.Transactions, world.Compacted, world.Plain}
}

// plan says what round i is about. What it consists of comes in turn, the defaults first.
func plan(o options, i int, chaos time.Duration) world.Plan {
	p := world.Plan{
		Number: i + 1, Seed: o.seed, Strategy: strategies()[i%3], Ordering: orderings()[(i+i/3)%3],
		Topic: topics()[i%4], Static: (i+i/4)%2 == 1,
		Chaos: chaos, Rate: o.rate, Dir: filepath.Clean(o.dir), Debug: o.debug,
	}
	began := time.Now()
	p.Say = func(format string, args ...any) {
		fmt.Printf("%6.1fs  "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	}
	fmt.Printf("round %d: %s, %s, %s, %s members, %v of chaos\n", p.Number, p.Topic, p.Strategy, p.Ordering, membership(p.Static), chaos.Round(time.Second))
	return p
}
