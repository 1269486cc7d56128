// Package sim_test plays the whole engine against a broker in memory, in virtual time and
// under every trouble that a seed draws, and judges the promises from outside.
//
//	task sim                 plays the seeds 1 to 1000
//	task sim SEEDS=100000    plays as many
//	task sim SEED=17         replays one, with its trace
//
// These run it by internal/deterministic/gotest: then a seed decides also which goroutine runs
// when, where one is interrupted, what a select takes and how keys are hashed. So a seed replays
// to the last line of its trace, and another seed is also another interleaving. The seeds are
// shared out between as many processes as there are processors, of which each runs one goroutine at a time.
//
// With plain go test, also under -race, a seed decides all but that: it plays the same world, in
// the interleaving that Go's scheduler happens to make. What such a run finds may take a few tries to be seen again.
package sim_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	oneSeed   = flag.Int64("sim.seed", 0, "play this seed and show its trace")
	hangAfter = flag.Duration("sim.hang", time.Minute, "take a seed as hanging after this, by the real clock")
	seedCount = flag.Int64("sim.seeds", 200, "play the seeds from 1 to this one")
	goOn      = flag.Bool("sim.all", false, "go on after a broken promise")
	playKnown = flag.Bool("sim.known", true, "play first the seeds that once found something")
	share     = flag.String("sim.share", "", "play only these, and write the figures to a file: first,step,file")
)

// TestSimulationKeepsEveryPromise plays seeds until one breaks a promise, or all are through.
func TestSimulationKeepsEveryPromise(t *testing.T) {
	switch {
	case *oneSeed != 0:
		t.Log("\n" + play(t, *oneSeed).String())
		return
	case *share != "":
		playShare(t, *share)
		return
	}
	if *playKnown {
		for _, seed := range knownSeeds(t) {
			play(t, seed)
		}
	}
	began := time.Now()
	c := newCampaign()
	if replays {
		c.spawn(t, *seedCount)
	} else {
		c.spread(t, *seedCount)
	}
	c.report(t, time.Since(began))
}

// play runs one seed and reports what it broke.
func play(t *testing.T, seed int64) (l *ledger) {
	t.Helper()
	replay := fmt.Sprintf("%s -sim.seed=%d", howToReplay, seed)
	settle(t, seed)
	stuck := time.AfterFunc(*hangAfter, func() { panic("the simulation hangs: " + replay) })
	defer stuck.Stop()
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("%s\n\tQ: %v", replay, v)
			if *oneSeed != 0 {
				t.Logf("%s\n%s", l, stacks())
			}
		}
	}()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed)
		l = w.ledger
		w.run()
	})
	if len(l.broken) > 0 {
		t.Errorf("%s\n\t%s", replay, strings.Join(l.broken[:min(3, len(l.broken))], "\n\t"))
	}
	return l
}

// stacks returns what all goroutines do.
func stacks() string {
	text := make([]byte, 1<<20)
	return string(text[:runtime.Stack(text, true)])
}

// knownSeeds returns those that once found something.
func knownSeeds(t *testing.T) (seeds []int64) {
	t.Helper()
	text, err := os.ReadFile("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var seed int64
		if _, err := fmt.Sscan(line, &seed); err == nil {
			seeds = append(seeds, seed)
		}
	}
	return seeds
}
