package sim_test

import (
	"hash/fnv"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// campaign adds up what the seeds reached.
type campaign struct {
	mu     sync.Mutex
	Seeds  int
	Time   time.Duration // virtual
	Seen   map[string]int
	Traces map[int64]uint64 // hashes
}

func newCampaign() *campaign {
	return &campaign{Seen: make(map[string]int), Traces: make(map[int64]uint64)}
}

// spread plays seeds in this process, several at once.
func (c *campaign) spread(t *testing.T, seeds int64) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := next.Add(1); seed <= seeds && (*goOn || !t.Failed()); seed = next.Add(1) {
				c.add(seed, play(t, seed))
			}
		})
	}
	wg.Wait()
}

func (c *campaign) add(seed int64, l *ledger) {
	if l == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Seeds++
	for situation := range l.seen {
		c.Seen[situation]++
	}
	if n := len(l.events); n > 0 {
		c.Time += l.events[n-1].at
	}
	c.Traces[seed] = l.hash()
}

func (c *campaign) merge(other *campaign) {
	c.Seeds += other.Seeds
	c.Time += other.Time
	for situation, n := range other.Seen {
		c.Seen[situation] += n
	}
	for seed, hash := range other.Traces {
		c.Traces[seed] = hash
	}
}

// hash returns a number that stands for the whole trace.
func (l *ledger) hash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(l.String())) // never fails
	return h.Sum64()
}

// report shows what was reached, and fails if something never was: then the
// promises about it were not tested.
func (c *campaign) report(t *testing.T, took time.Duration) {
	t.Helper()
	if t.Failed() {
		return // of some processes there are no figures
	}
	t.Logf("%d seeds, %v of virtual time in %v", c.Seeds, c.Time.Round(time.Minute), took.Round(time.Millisecond))
	for _, situation := range situations {
		t.Logf("%6d  %s", c.Seen[situation], situation)
		if c.Seen[situation] == 0 && *seedCount >= enough {
			t.Errorf("vacuous: no seed reached the situation %q", situation)
		}
	}
	for situation := range c.Seen {
		if !slices.Contains(situations, situation) {
			t.Errorf("the situation %q is not in the list", situation)
		}
	}
}

// enough is how many seeds must reach every situation.
const enough = 200

// situations must all be reached by a campaign.
var situations = []string{
	"a member joined the others", "a member left", "a member crashed",
	"a partition was lost without notice", "the group expelled a member that went on", "a zombie's commit was fenced",
	"a partition moved by a cooperative rebalance", "a partition moved by an eager rebalance", "the coordinator was slow",
	"a claim froze", "a claim froze for failures in a row", "a frozen claim was resumed", "a claim said that it was resumed",
	"a commit timed out", "a commit was fenced", "a commit was refused for now", "the answer to a commit was lost",
	"a dead letter", "a dead letter could not be published",
	"a drain reached its deadline with messages in flight", "a result came after its tenure",
	"a failed message was committed past", "a hole in the log", "hours went by",
	"a partition came back to the same member", "a result of an earlier tenure came while the member had the partition again",
	"a partition came back while messages of its earlier tenure ran on",
	"a pipeline halted after failures in a row", "a pipeline halted behind a full window",
	"messages were held for want of room",
	"Run said that its drain timed out", "Run said that its last commit failed",
	"the reader ran a message", "the reader's message took long", "the reader's message parked",
}
