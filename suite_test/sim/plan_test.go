package sim_test

import (
	"fmt"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/pipeline"
)

// plan is what a seed's world is like. Each seed draws which troubles it has at all,
// because a world with every trouble hides those that need quiet around them.
type plan struct {
	dice dice

	partitions, messages, keys, members int
	nilKeys, holes                      float64
	producing                           time.Duration // how long messages keep coming

	ordering    burrow.Ordering
	strategy    offsets.CommitStrategy
	workers     int
	window      int
	windowBytes int64
	interval    time.Duration
	batch       int
	consecutive int
	mode        pipeline.FailureMode
	drain       time.Duration
	rebalance   time.Duration
	eager       bool
	prefetch    int

	attempts            int // of Retry; 1 is without
	deadLetter, recover bool
	timeout             time.Duration // of each attempt; 0 is none

	quick                                                bool // most handlers take no time
	work                                                 time.Duration
	tail, failing, poison, panicking, exiting, ignoring  float64
	parking, skipping, lettersLost                       float64
	commitRefused, commitFenced, answerLost, commitsSlow float64

	outage       bool // of the coordinator, until all members have stopped
	disturbances int
	calm         time.Duration // between two of them
	troubles     []trouble
}

func newPlan(seed int64) *plan {
	d := dice(seed)
	p := &plan{dice: d}
	r := func(purpose string) roll { return d.roll("plan " + purpose) }
	p.partitions, p.members = r("partitions").between(1, 5), r("members").between(1, 4)
	p.messages, p.keys = r("messages").between(10, 90), oneOf(r("keys"), 1, 2, 4, 12, 1000)
	p.nilKeys, p.holes = oneOf(r("nil keys"), 0, 0, 0.1), oneOf(r("holes"), 0, 0, 0.1, 0.5)
	p.producing = r("producing").span(time.Second, time.Minute)
	p.ordering = oneOf(r("ordering"), burrow.ByKey, burrow.ByKey, burrow.Unordered, burrow.ByPartition)
	p.strategy = oneOf[offsets.CommitStrategy](r("strategy"), offsets.Ordered{}, offsets.Ordered{}, offsets.Ordered{},
		offsets.BestEffort{}, offsets.SkipFailures{}, offsets.SkipFailures{After: r("after").span(time.Second, 20*time.Second)})
	p.drawEngine(r)
	p.drawWork(r)
	p.drawTroubles(r)
	return p
}

func (p *plan) drawEngine(r func(string) roll) {
	p.workers = oneOf(r("workers"), 1, 2, 4, 8, 32)
	p.window = oneOf(r("window"), 2, 5, 12, 40, 1000)
	p.windowBytes = oneOf[int64](r("bytes"), 60, 400, 1<<20, 1<<20)
	p.interval = r("interval").span(100*time.Millisecond, 10*time.Second)
	p.batch = oneOf(r("batch"), 1, 3, 10, 1000)
	p.consecutive = oneOf(r("consecutive"), 1, 2, 3, 5)
	p.mode = oneOf(r("mode"), pipeline.Halt, pipeline.Halt, pipeline.Freeze)
	p.drain = r("drain").span(100*time.Millisecond, 20*time.Second)
	p.rebalance = p.drain*4/3 + r("rebalance").span(time.Second, 20*time.Second)
	p.eager = r("eager").chance(0.2)
	p.prefetch = oneOf(r("prefetch"), 0, 5, 50)
	p.attempts = oneOf(r("attempts"), 1, 1, 2, 4)
	p.deadLetter, p.recover = r("dead letter").chance(0.3), r("recover").chance(0.3)
	if r("timeout").chance(0.3) {
		p.timeout = r("how long").span(1200*time.Millisecond, 4*time.Second)
	}
}

func (p *plan) drawWork(r func(string) roll) {
	rare := func(purpose string, rates ...float64) float64 {
		return oneOf(r(purpose), append(rates, 0, 0)...)
	}
	p.quick = r("quick").chance(0.3)
	p.work = r("work").span(20*time.Microsecond, 300*time.Millisecond)
	p.tail, p.failing, p.poison = rare("tail", 0.02, 0.1), rare("failing", 0.02, 0.2), rare("poison", 0.01, 0.05)
	p.panicking, p.exiting = rare("panicking", 0.02, 0.1), rare("exiting", 0.02, 0.1)
	p.ignoring, p.parking = rare("ignoring", 0.05, 0.3), rare("parking", 0.05, 0.3)
	p.skipping, p.lettersLost = rare("skipping", 0.1), rare("letters lost", 0.3)
	if r("impatient").chance(0.1) { // many waits are cut short, and what waited is resolved all the same
		p.parking, p.timeout = 0.3, r("how long").span(20*time.Millisecond, 2*time.Second)
		p.deadLetter, p.attempts, p.keys = true, 1, min(p.keys, 12)
	}
	if r("crowded").chance(0.1) { // for a while many more may start than there are workers
		p.messages, p.keys, p.producing = 4*p.messages, oneOf(r("crowd"), 30, 100), time.Second
		p.workers, p.window, p.windowBytes = min(p.workers, 2), 1000, 1<<20
		p.work = min(p.work, 20*time.Millisecond)
	}
	if p.quick { // the reader runs messages itself only after many that were quick
		p.messages *= 3
		for _, rate := range []*float64{&p.tail, &p.failing, &p.poison, &p.panicking, &p.exiting, &p.parking} {
			*rate /= 5
		}
	}
}

func (p *plan) drawTroubles(r func(string) roll) {
	rare := func(purpose string, rates ...float64) float64 {
		return oneOf(r(purpose), append(rates, 0)...)
	}
	p.commitRefused, p.answerLost = rare("commit refused", 0.05, 0.4), rare("answer lost", 0.05, 0.4)
	p.commitFenced, p.commitsSlow = rare("commit fenced", 0.02), rare("commits slow", 0.1, 0.5)
	if p.outage = r("outage").chance(0.1); p.outage {
		p.commitRefused = 0.98
	}
	p.disturbances = r("disturbances").between(0, 25)
	p.calm = r("calm").span(5*time.Millisecond, 10*time.Second)
	for t := range numTroubles {
		if r("trouble " + t.String()).chance(0.5) {
			p.troubles = append(p.troubles, t)
		}
	}
}

// commitTimeout is what the Builder makes of the rebalance timeout.
func (p *plan) commitTimeout() time.Duration {
	return min(pipeline.DefaultCommitTimeout, p.rebalance/8)
}

// String tells what matters for reading a trace.
func (p *plan) String() string {
	return fmt.Sprintf("%d partitions of %d messages, %d keys; %s, %T, %d workers, window %d (%d bytes), prefetch %d; "+
		"commits every %v or %d; %d errors in a row, mode %d, %d attempts, dead letters %t; drain %v of %v, eager %t; "+
		"quick %t, work %v; %d disturbances %v apart of %v",
		p.partitions, p.messages, p.keys, p.ordering, p.strategy, p.workers, p.window, p.windowBytes, p.prefetch,
		p.interval, p.batch, p.consecutive, p.mode, p.attempts, p.deadLetter, p.drain, p.rebalance, p.eager,
		p.quick, p.work, p.disturbances, p.calm, p.troubles)
}
